"""The routes of the Admin API that an integration uses (reference platforms.md §4.1 to §4.6)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.shops.shopware.access import Access, Integration, demand
from lengow.sandbox.shops.shopware.data import Data, written
from lengow.sandbox.shops.shopware.errors import Refused, error, fatal, refused
from lengow.sandbox.shops.shopware.schema import ENTITIES
from lengow.sandbox.shops.shopware.searching import Searcher
from lengow.sandbox.shops.shopware.states import ENTITIES as MACHINE_OF
from lengow.sandbox.shops.shopware.states import MACHINES
from lengow.sandbox.shops.shopware.writing import UUID, BrokenQuery, Command, Writer

DOWNLOAD = re.compile(r"/api/_action/document/([^/]+)/([^/]+)")
TRANSITION = re.compile(r"/api/_action/(order|order_delivery|order_transaction)/([^/]+)/state/(\w+)")
INDEXING = (None, "", "use-queue-indexing", "disable-indexing")
Happened = Callable[[str, str], None]


class Rest:
    """`happened` is told the event's name and the order's id."""

    def __init__(self, data: Data, access: Access, version: str, happened: Happened) -> None:
        self._data, self._access, self._version, self._happened = data, access, version, happened
        self._writer, self._searcher = Writer(data), Searcher(data)
        self.mails: list[tuple[str, str]] = []
        """Event and order of each mail that the flows sent to the buyer."""
        self.files: dict[str, bytes] = {}
        """The PDFs of the documents, by id."""

    def answer(self, request: Request, killed_at: str) -> Answer:
        """Raises Refused, Killed."""
        if request.path == "/api/oauth/token" and request.method == "POST":
            return self._access.token(request)
        integration = self._access.check(request)
        self._check_headers(request)
        route = (request.method, request.path)
        if route == ("GET", "/api/_info/version"):
            return Answer.json({"version": self._version})
        if route == ("POST", "/api/_action/sync"):
            return self._sync(_json(request), integration, killed_at)
        moved = TRANSITION.fullmatch(request.path)
        if moved is not None and request.method == "POST":
            return self._transition(moved[1], moved[2], moved[3], _json(request), integration)
        wanted = DOWNLOAD.fullmatch(request.path)
        if wanted is not None and request.method == "GET":
            return self._download(wanted[1], wanted[2], integration)
        if request.method == "POST" and request.path.startswith("/api/search/"):
            return self._search(request, integration)
        if request.method == "POST" and request.path == "/api/order":
            return self._create_order(_json(request), integration, killed_at)
        if request.method == "PATCH":
            return self._patch(request, integration)
        raise refused(404, "0", f'No route found for "{request.method} {request.url}"')

    def move(self, entity: str, id_: str, action: str, *, mail: bool) -> str:
        """A transition; returns the state that it leads to. Raises Refused."""
        row = self._data.tables[entity].get(id_)
        if row is None:
            raise refused(
                404, "SYSTEM__STATE_MACHINE_INVALID_ENTITY_ID", f"Unable to read entity {entity} with id {id_}."
            )
        moves, place = MACHINES[MACHINE_OF[entity]], self._data.place(row)
        target = moves.get((place, action))
        if target is None:
            if place in {to for (_, name), to in moves.items() if name == action}:
                return place  # Shopware's UnnecessaryTransitionException: answered as if it had been made
            possible = ", ".join(name for start, name in moves if start == place)
            detail = f'Illegal transition "{action}" from state "{place}". Possible transitions are: {possible}'
            raise refused(400, "SYSTEM__ILLEGAL_STATE_TRANSITION", detail)
        row["stateId"] = self._data.state(MACHINE_OF[entity], target)
        row["updatedAt"] = written(self._data.now())
        order_id = id_ if entity == "order" else str(row["orderId"])
        if entity == "order" and "cancelled" in (place, target):
            sign = 1 if target == "cancelled" else -1
            for line in self._data.rows("order_line_item", orderId=id_, type="product"):
                self._data.alter_stock(line["referencedId"], sign * line["quantity"])
        event = f"state_enter.{MACHINE_OF[entity]}.{target}"
        if mail:
            self.mails.append((event, order_id))
        self._happened(event, order_id)
        return target

    def _check_headers(self, request: Request) -> None:
        language = request.headers.get("sw-language-id")
        if language is not None and language not in self._data.tables["language"]:
            raise refused(412, "FRAMEWORK__LANGUAGE_NOT_FOUND", f'The language "{language}" was not found.')
        if request.headers.get("indexing-behavior") not in INDEXING:
            raise refused(400, "FRAMEWORK__API_INVALID_INDEXING_BEHAVIOR", "indexing-behavior is not supported.")

    def _search(self, request: Request, integration: Integration) -> Answer:
        entity = request.path.rpartition("/")[2].replace("-", "_")
        if entity not in ENTITIES:
            raise refused(404, "FRAMEWORK__DEFINITION_NOT_FOUND", f'Definition for entity "{entity}" does not exist.')
        demand(integration, f"{entity}:read")
        inherit = request.headers.get("sw-inheritance") == "1"
        found = self._searcher.search(entity, _json(request), inherit=inherit)
        if request.headers.get("accept") == "application/json":
            return Answer.json(found)
        rows = [{"id": one.get("id"), "type": entity, "attributes": one} for one in found["data"]]
        return Answer.json({"data": rows, "meta": {"total": found["total"]}, "included": []})

    def _download(self, id_: str, code: str, integration: Integration) -> Answer:
        demand(integration, "document:read")
        row = self._data.tables["document"].get(id_)
        if row is None or row["deepLinkCode"] != code:
            raise refused(
                404, "DOCUMENT__INVALID_DOCUMENT", f'The document with id "{id_}" is invalid or could not be found.'
            )
        return Answer(200, self.files[id_], {"Content-Type": "application/pdf"})

    def _sync(self, body: Any, integration: Integration, killed_at: str) -> Answer:
        if not isinstance(body, dict | list):
            raise refused(400, "FRAMEWORK__API_INVALID_SYNC_OPERATION", "Invalid payload format.")
        commands: list[Command] = []
        deletes: list[tuple[str, str]] = []
        missing: dict[str, list[Any]] = {}
        errors: list[Any] = []
        for key, operation in body.items() if isinstance(body, dict) else enumerate(body):
            entity, action, payload = _operation(operation, str(key))
            if action == "delete":
                demand(integration, f"{entity}:delete")
                ids = [str(one.get("id")) for one in payload]
                deletes += [(entity, one) for one in ids if one in self._data.tables[entity]]
                missing.setdefault(entity, []).extend(one for one in ids if one not in self._data.tables[entity])
                continue
            try:
                commands += self._writer.extract(entity, payload, f"/{key}")
            except Refused as found:
                errors += found.errors
        if errors:
            raise Refused(400, *errors)
        demand(integration, *_privileges(commands))
        try:
            self._writer.commit(commands, killed_at)
        except BrokenQuery as broken:
            return fatal(str(broken))
        for entity, id_ in deletes:
            self._delete(entity, id_)
        written_ids: dict[str, list[str]] = {}
        for command in commands:
            written_ids.setdefault(command.entity, []).append(command.id)
        gone = [entity for entity, _ in deletes]
        return Answer.json(
            {
                "data": written_ids,
                "notFound": missing,
                "deleted": {entity: [id_ for name, id_ in deletes if name == entity] for entity in gone},
            }
        )

    def _create_order(self, body: Any, integration: Integration, killed_at: str) -> Answer:
        id_ = body.get("id") if isinstance(body, dict) else None
        if id_ in self._data.tables["order"]:
            detail = f'Expected command for "order" to be "InsertCommand". (Got: UpdateCommand) {id_}'
            raise refused(400, "FRAMEWORK__WRITE_TYPE_INTEND_ERROR", detail)
        commands = self._writer.extract("order", [body], "")
        demand(integration, *_privileges(commands))
        try:
            self._writer.commit(commands, killed_at)
        except BrokenQuery as broken:
            return fatal(str(broken))
        return Answer(204, b"", {"Location": f"/api/order/{commands[0].id}"})

    def _patch(self, request: Request, integration: Integration) -> Answer:
        _, _, entity, id_ = request.path.split("/", 3)
        entity = entity.replace("-", "_")
        if entity not in ENTITIES or not UUID.fullmatch(id_) or id_ not in self._data.tables[entity]:
            raise refused(
                404,
                "FRAMEWORK__RESOURCE_NOT_FOUND",
                f"The {entity} resource with the following primary key was not found: id({id_})",
            )
        demand(integration, f"{entity}:update")
        try:
            self._writer.upsert(entity, [{**_json(request), "id": id_}], "")
        except BrokenQuery as broken:
            return fatal(str(broken))
        return Answer(204, b"")

    def _transition(self, entity: str, id_: str, action: str, body: Any, integration: Integration) -> Answer:
        demand(integration, f"{entity}:read", f"{entity}:update", "state_machine_history:create")
        if not UUID.fullmatch(id_):
            raise refused(400, "FRAMEWORK__INVALID_UUID", f"Value is not a valid UUID: {id_}")
        place = self.move(entity, id_, action, mail=body.get("sendMail", True) is not False)
        state_id = self._data.state(MACHINE_OF[entity], place)
        return Answer.json({**self._data.tables["state_machine_state"][state_id], "apiAlias": "state_machine_state"})

    def _delete(self, entity: str, id_: str) -> None:
        """With what hangs on it; lines give their stock back, unless the order is cancelled."""
        row = self._data.tables[entity].pop(id_)
        for association in ENTITIES[entity].associations.values():
            if association.nested:
                for child in self._data.rows(association.entity, **{association.their: id_}):
                    self._delete(association.entity, child["id"])
        order = self._data.tables["order"].get(str(row.get("orderId")))
        if (
            entity == "order_line_item"
            and row["type"] == "product"
            and order
            and self._data.place(order) != "cancelled"
        ):
            self._data.alter_stock(row["referencedId"], row["quantity"])


def _json(request: Request) -> Any:
    if not request.body:
        return {}
    try:
        return msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        raise refused(400, "0", "The JSON payload is malformed.") from broken


def _operation(operation: Any, key: str) -> tuple[str, str, list[Any]]:
    known: Mapping[str, Any] = operation if isinstance(operation, dict) else {}
    entity, action, payload = known.get("entity"), known.get("action"), known.get("payload")
    if entity not in ENTITIES:
        raise refused(404, "FRAMEWORK__DEFINITION_NOT_FOUND", f'Definition for entity "{entity}" does not exist.')
    if action not in ("upsert", "delete") or not isinstance(payload, list) or not payload:
        errors = [error(400, "FRAMEWORK__API_INVALID_SYNC_OPERATION", f'Invalid sync operation at "{key}".')]
        raise Refused(400, *errors)
    return str(entity), str(action), payload


def _privileges(commands: list[Command]) -> list[str]:
    wanted = [f"{one.entity}:{'create' if one.is_new else 'update'}" for one in commands]
    return list(dict.fromkeys(wanted))
