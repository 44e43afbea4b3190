"""The webservice's routes: lists, single objects, schemas, and changes (captures 010 to 306)."""

import html
from collections.abc import Mapping
from decimal import Decimal
from hashlib import md5
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from lengow.sandbox.answers import Answer, Request
from lengow.sandbox.shops.prestashop.access import Access, Key, check_right
from lengow.sandbox.shops.prestashop.data import NEVER, Data, Row, Rows, amount
from lengow.sandbox.shops.prestashop.errors import Fatal, Raw, Refused
from lengow.sandbox.shops.prestashop.lists import displayed, selected
from lengow.sandbox.shops.prestashop.ordering import Ordering
from lengow.sandbox.shops.prestashop.rendering import many, nothing, one, root, schema
from lengow.sandbox.shops.prestashop.resources import ORDER_ROW, RESOURCES, TRANSLATED, Resource
from lengow.sandbox.shops.prestashop.validation import check_present, check_values

HASH = "$2y$10$FAKEHASHFAKEHASHFAKEHASHFAKEHASHFAKEHASHFAKEHASHFAKEH"
LONGEST_REFERENCE = 9


class Rest:
    def __init__(self, data: Data, access: Access, ordering: Ordering) -> None:
        self._data, self._access, self._ordering = data, access, ordering

    def answer(self, request: Request, killed_at: str) -> Answer:
        as_json = wants_json(request)
        key = self._access.key_of(request)
        parts = request.path.removeprefix("/api").strip("/").split("/")
        if parts == [""]:
            return self._root(key, as_json=as_json)
        check_right(key, request.method, parts[0])
        resource = RESOURCES[parts[0]]
        id_ = parts[1] if len(parts) > 1 else ""
        if request.method in ("GET", "HEAD"):
            return self._read(resource, id_, request.query, as_json=as_json)
        if request.method == "DELETE":
            return self._delete(resource, id_)
        sent, rows = self._sent(request)
        if sent is None:
            return nothing(201 if request.method == "POST" else 200)
        if request.method == "POST":
            view = self._create(resource, sent, rows, request.query, killed_at)
            return one(resource, view, as_json=as_json, status=201, echo=True)
        view = self._change(resource, sent, rows, request)
        return one(resource, view, as_json=as_json, echo=True)

    def view(self, resource: Resource, row: Row) -> dict[str, Any]:
        """A row with what is computed, and its association."""
        view: dict[str, Any] = dict(row)
        if resource.name == "orders":
            details = self._data.rows("order_details", id_order=row["id"])
            view["order_rows"] = [
                {
                    "id": line["id"],
                    **{name: line.get(name, "0" if name.startswith("id_") else "") for name in ORDER_ROW},
                }
                for line in details
            ]
            carriers = list(self._data.rows("order_carriers", id_order=row["id"]))
            view["shipping_number"] = carriers[-1]["tracking_number"] if carriers else None
        elif resource.association:
            view[resource.association] = self._data.associated.get((resource.name, int(row["id"] or 0)), [])
        else:
            view["associations"] = self._data.described.get((resource.name, int(row["id"] or 0)), {})
        return view

    def _root(self, key: Key, *, as_json: bool) -> Answer:
        if as_json:
            raise Fatal  # PHP 8 (capture 002)
        return root(RESOURCES.values(), key.rights, self._data.setting("PS_SHOP_NAME"))

    def _read(self, resource: Resource, id_: str, query: Mapping[str, str], *, as_json: bool) -> Answer:
        if "schema" in query and not id_:
            return schema(resource, synopsis=query["schema"] == "synopsis")
        if id_:
            row = self._data.get(resource.name, id_)
            if row is None:
                raise Raw(404, b"", {"Content-type": ""})
            return one(resource, self.view(resource, row), as_json=as_json)
        names = displayed(resource, query)
        rows = selected(resource, list(self._data.rows(resource.name)), query)
        views = [self.view(resource, row) for row in rows]
        if names is not None:
            views = [{name: view[name] for name in names} for view in views]
        if "language" not in query:
            views = [_in_all_languages(resource, view) for view in views]
        return many(resource, views, as_json=as_json)

    def _delete(self, resource: Resource, id_: str) -> Answer:
        """The body is empty; an address that an order uses is only marked (capture 301)."""
        row = self._data.get(resource.name, id_)
        if row is None:
            raise Refused(404, (87, f"Id(s) not exists: {id_}"))
        used = ("id_address_delivery", "id_address_invoice")
        if resource.name == "addresses" and any(
            order[name] == id_ for order in self._data.rows("orders") for name in used
        ):
            row["deleted"] = "1"
        else:
            del self._data.tables[resource.name][int(id_)]
        return Answer(200, b"", {"Content-Type": ""})

    def _sent(self, request: Request) -> tuple[Row | None, Rows]:
        """Fields and rows of the first entity in the body; None when it holds none. Unknown elements stay unread."""
        text = request.body.decode(errors="replace")
        try:
            tree: Element = fromstring(request.body)
        except (ParseError, DefusedXmlException) as error:
            sentence = (
                "XML error : String could not be parsed as XML\n"
                f"XML length : {len(request.body)}\nOriginal XML : {text}"
            )
            raise Refused(500, (127, sentence)) from error
        entity = next(iter(tree), None)
        if entity is None:
            return None, []
        associations = entity.find("associations")
        rows: Rows = []
        for group in associations if associations is not None else ():
            rows += [{field.tag: (field.text or "").strip() for field in row} for row in group]
        values: Row = {field.tag: (field.text or "").strip() for field in entity if field.tag != "associations"}
        return values, rows

    # Creating

    def _create(
        self, resource: Resource, sent: Row, rows: Rows, query: Mapping[str, str], killed_at: str
    ) -> dict[str, Any]:
        values = {name: str(value) for name, value in sent.items() if value is not None}
        check_present(resource, values)
        check_values(resource, values)
        known: Row = {name: value for name, value in values.items() if resource.field(name) is not None}
        if resource.name == "orders":
            return self._place(resource, known, killed_at)
        if resource.name == "order_histories":
            return self._add_history(resource, known, query)
        if resource.name == "customers":
            known = self._customer(known)
            rows = rows or [{"id": str(known["id_default_group"])}]
        if resource.name == "carts":
            known, rows = self._cart(known, rows)
        if resource.name == "specific_prices":
            self._check_price_is_new(known)
        now = self._data.local_now()
        dates: Row = {name: now for name in ("date_add", "date_upd") if resource.field(name) is not None}
        row = self._data.insert(resource.name, {**known, **dates})
        id_ = int(row["id"] or 0)
        if rows:
            self._data.associated[resource.name, id_] = self._numbered(resource, rows)
        view = self.view(resource, row)
        self._settle(resource, row)
        return view

    def _place(self, resource: Resource, sent: Row, killed_at: str) -> dict[str, Any]:
        """The answer echoes the request, with the rows of the order that was made (captures 084, 085)."""
        self._ordering.check_cart(sent)
        made = self._ordering.place(sent, killed_at)
        echo: dict[str, Any] = dict.fromkeys(resource.names, "")
        rows = self.view(resource, made)["order_rows"]
        return {**echo, **sent, "current_state": "", "id": made["id"], "order_rows": rows}

    def _add_history(self, resource: Resource, sent: Row, query: Mapping[str, str]) -> dict[str, Any]:
        order = self._data.get("orders", sent["id_order"])
        if order is None or self._data.get("order_states", sent["id_order_state"]) is None:
            raise Fatal
        mail = query.get("sendemail") == "1"
        history = self._ordering.move(order, str(sent["id_order_state"]), mail=mail)
        return self.view(resource, history)

    def _customer(self, sent: Row) -> Row:
        """An account's address is taken once; guests may share one (captures 050, 304, 305)."""
        email = str(sent["email"]).lower()
        for other in self._data.rows("customers"):
            if str(other["email"]).lower() == email and other["is_guest"] != "1":
                taken = "The email is already used, please choose another one"
                raise Refused(500, (140, taken), (46, "Unable to save resource"))
        guest = sent.get("is_guest") == "1"
        group = "2" if guest else sent.get("id_default_group") or "3"
        number = self._data.next_id("customers")
        return {
            **sent,
            "passwd": HASH,
            "secure_key": md5(f"customer {number}".encode(), usedforsecurity=False).hexdigest(),
            "id_default_group": group,
            "last_passwd_gen": self._data.local_now(),
            "id_shop": "1",
            "id_shop_group": "1",
        }

    def _cart(self, sent: Row, rows: Rows) -> tuple[Row, Rows]:
        """The same product twice is one row (`Cart::updateQty`); without rows PHP ends (capture 153)."""
        if not rows:
            raise Fatal
        merged: dict[tuple[str, str], dict[str, str]] = {}
        for row in rows:
            key = (row["id_product"], row.get("id_product_attribute") or "0")
            known = merged.setdefault(
                key,
                {
                    "id_product": key[0],
                    "id_product_attribute": key[1],
                    "id_address_delivery": row.get("id_address_delivery", ""),
                    "id_customization": "0",
                    "quantity": "0",
                },
            )
            known["quantity"] = str(int(known["quantity"]) + int(row["quantity"]))
        customer = self._data.get("customers", sent.get("id_customer"))
        if not sent.get("secure_key") and customer is not None:
            sent = {**sent, "secure_key": customer["secure_key"]}
        return sent, [merged[key] for key in sorted(merged, key=lambda key: (int(key[0]), int(key[1])))]

    def _check_price_is_new(self, sent: Row) -> None:
        """A second of the same unique key ends PHP (capture 083)."""
        same = {name: sent.get(name) or "0" for name in UNIQUE_PRICE}
        if any(self._data.rows("specific_prices", **same)):
            raise Fatal

    def _numbered(self, resource: Resource, rows: Rows) -> Rows:
        if resource.name != "order_slip":
            return rows
        known = sum(len(one) for (name, _), one in self._data.associated.items() if name == "order_slip")
        return [{"id": str(known + number), **row} for number, row in enumerate(rows, 1)]

    # Changing

    def _change(self, resource: Resource, sent: Row, rows: Rows, request: Request) -> dict[str, Any]:
        """PUT wants every required element, PATCH the id and what changes. The answer echoes what was sent."""
        if not sent.get("id"):
            raise Refused(400, (90, "id is required when modifying a resource"))
        row = self._data.get(resource.name, sent["id"])
        if row is None:
            raise Refused(404, (92, "Invalid ID"))
        values = {name: str(value) for name, value in sent.items() if value is not None}
        if request.method == "PUT":
            check_present(resource, values)
        check_values(resource, values)
        known: Row = {
            name: value
            for name, value in values.items()
            if (field := resource.field(name)) is not None and not field.read_only and name != "shipping_number"
        }
        if resource.name == "orders":
            self._change_state(row, known)
        row.update(known)
        if resource.field("date_upd") is not None:
            row["date_upd"] = self._data.local_now()
        if rows and resource.association:
            self._data.associated[resource.name, int(row["id"] or 0)] = self._numbered(resource, rows)
        echo = self.view(resource, row)
        self._settle(resource, row)
        if resource.name == "stock_availables" and row["id_product_attribute"] != "0":
            self._data.sum_up(row["id_product"])
        return echo

    def _change_state(self, row: Row, known: Row) -> None:
        """A changed state is a history line too, and mails always (captures 140, 199)."""
        state = known.pop("current_state", None)
        if state and state != row["current_state"]:
            self._ordering.move(row, state, mail=True)

    def _settle(self, resource: Resource, row: Row) -> None:
        """What the database makes of what was sent, after the answer has echoed it."""
        for field in resource.fields:
            value = row[field.name]
            if value in ("", None):
                row[field.name] = DEFAULTS.get((resource.name, field.name), DEFAULTS.get(field.format, value))
            elif field.format in ("isPrice", "isNegativePrice", "isFloat") and field.name != "carrier_tax_rate":
                row[field.name] = amount(Decimal(str(value)))
        if self._data.purifies and row.get("note"):
            row["note"] = html.escape(html.unescape(str(row["note"])), quote=False)
        if resource.name == "orders" and row["reference"]:
            row["reference"] = str(row["reference"])[:LONGEST_REFERENCE]


UNIQUE_PRICE = ("id_cart", "id_product", "id_product_attribute", "id_shop", "id_currency", "id_country", "id_group",
                "id_customer", "from_quantity", "from", "to")  # fmt: skip
DEFAULTS: dict[Any, str] = {
    "isNullOrUnsignedId": "0",
    "isUnsignedId": "0",
    "isUnsignedInt": "0",
    "isBool": "0",
    ("orders", "invoice_date"): NEVER,
    ("orders", "delivery_date"): NEVER,
}


def wants_json(request: Request) -> bool:
    """The argument or one of the headers (capture 162)."""
    asked = (
        request.query.get("output_format") or request.headers.get("output-format") or request.headers.get("io-format")
    )
    return (asked or "").upper() == "JSON"


def _in_all_languages(resource: Resource, view: Mapping[str, Any]) -> dict[str, Any]:
    fields = TRANSLATED.get(resource.name, ())
    return {
        name: [{"id": 1, "value": value}, {"id": 2, "value": value}] if name in fields else value
        for name, value in view.items()
    }
