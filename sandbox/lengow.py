"""Lengow: collects from the marketplaces on its clock, and answers its API."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lengow.sandbox.access import Access, Quotas, Token, describe_token
from lengow.sandbox.actions import Actions, arguments_of, check, check_identity
from lengow.sandbox.answers import Answer, Refusal, Request, error, field_errors
from lengow.sandbox.ledger import Rejection
from lengow.sandbox.marketplace import Marketplaces
from lengow.sandbox.orders import Book, Listing, paged
from lengow.sandbox.sales import Sale

COLLECTION_EVERY = timedelta(minutes=15)
COLLECTIONS_A_DAY = 96


class Lengow:
    """One Lengow, serving several accounts. Not locked: its caller lets in one thread at a time."""

    def __init__(self, start: datetime, marketplaces: Marketplaces, access: Access, quotas: Quotas, actions: Actions):
        self.marketplaces = marketplaces
        self.access = access
        self.quotas = quotas
        self.actions = actions
        self.books: dict[int, Book] = {}
        self.requests: Counter[str] = Counter()
        self.rejections: list[Rejection] = []
        self.listing = Listing()
        self._start = start
        self._collections = 0

    def book(self, account_id: int) -> Book:
        return self.books.setdefault(account_id, Book())

    def catch_up(self, now: datetime) -> None:
        """Runs every collection that was due up to `now`, each at its own time."""
        while (at := self._start + COLLECTION_EVERY * (self._collections + 1)) <= now:
            self._collections += 1
            self.actions.advance(self.marketplaces, at)
            self._collect(at, daily=self._collections % COLLECTIONS_A_DAY == 0)

    def _collect(self, at: datetime, daily: bool) -> None:
        seen = self.marketplaces.changed_since_last_collection()
        if daily:
            seen += self.marketplaces.missed_in_last_days(at)
        by_account: dict[int, list[Sale]] = defaultdict(list)
        for sale in seen:
            by_account[sale.account_id].append(sale)
        for account_id, sales in by_account.items():
            self.book(account_id).collect(sales, at, self.marketplaces.descriptions)

    def bump(self, account_id: int, order_ids: Collection[str], now: datetime) -> None:
        """Gives these orders a fresh `updated_at`, as any change at Lengow would."""
        book = self.book(account_id)
        for record in [record for record in book if record.sale.id in order_ids]:
            book.touch(record, now)

    def collect_now(self, now: datetime) -> None:
        """A collection between two ticks of the clock."""
        self._collect(now, daily=False)

    def answer(self, request: Request, now: datetime) -> Answer:
        """The answer to one call of the API, refusals included."""
        self.requests[f"{request.method} {request.path}"] += 1
        try:
            return self._routed(request, now)
        except Refusal as refusal:
            return refusal.answer

    def _routed(self, request: Request, now: datetime) -> Answer:
        methods = ROUTES.get(request.path)
        if methods is None:
            raise error(404, f"Route {request.path} not found")
        endpoint = methods.get(request.method)
        if endpoint is None:
            raise error(405, f"Method {request.method} not allowed", {"Allow": ", ".join(methods)})
        if endpoint is get_token:
            return get_token(Call(self, request, now))
        token = self.access.token_of(request, now)
        self.quotas.count(token.account_id, request.path, now)
        return endpoint(Call(self, request, now, token))


@dataclass(frozen=True, slots=True)
class Call:
    """One request with all that an endpoint needs. `token`: whose call it is; None only for `get_token`."""

    lengow: Lengow
    request: Request
    now: datetime
    token: Token | None = None

    @property
    def account_id(self) -> int:
        assert self.token is not None
        return self.token.account_id

    @property
    def book(self) -> Book:
        return self.lengow.book(self.account_id)

    def check_account(self, arguments: Mapping[str, object]) -> None:
        """`account_id` goes with every call (reference 1.1): in the query, or in the body of what is sent."""
        given = arguments.get("account_id")
        if given in (None, ""):
            raise error(400, "account_id is required")
        if isinstance(given, bool) or not str(given).isdecimal():
            raise field_errors({"account_id": "A valid integer is required."})
        if int(str(given)) != self.account_id:
            raise error(403, f"Access to account {given} is forbidden")


Endpoint = Callable[[Call], Answer]


def get_token(call: Call) -> Answer:
    """Reference 1.1. The keys come in a form, without any header."""
    lengow, request = call.lengow, call.request
    try:
        form = request.form()
    except Refusal:
        form = {}
    if not form.get("access_token") or not form.get("secret"):
        raise error(400, "access_token and secret are required")
    token = lengow.access.issue(form["access_token"], form["secret"], call.now)
    lengow.quotas.count(token.account_id, request.path, call.now)
    return Answer.json({"token": token.text, "account_id": token.account_id})


def me(call: Call) -> Answer:
    assert call.token is not None
    return Answer.json(describe_token(call.token))


def rate_limits(call: Call) -> Answer:
    return Answer.json(call.lengow.quotas.describe(call.account_id, ROUTES, call.now))


def list_marketplaces(call: Call) -> Answer:
    call.check_account(call.request.query)
    wanted = call.request.query.get("marketplace")
    known = call.lengow.marketplaces.descriptions
    return Answer.json({name: known[name] for name in known if wanted in (None, "", name)})


def list_orders(call: Call) -> Answer:
    call.check_account(call.request.query)
    return call.lengow.listing.page(call.book, call.request, call.now)


def set_merchant_order_ids(call: Call) -> Answer:
    """Reference 3. The list replaces the one before."""
    body = call.request.json()
    call.check_account(body)
    errors = {
        name: "Not a valid string."
        for name in ("marketplace", "marketplace_order_id")
        if not isinstance(body.get(name), str) or not body[name]
    }
    ids = body.get("merchant_order_id")
    if not isinstance(ids, list) or not all(isinstance(one, str | int) and not isinstance(one, bool) for one in ids):
        errors["merchant_order_id"] = "Expected a list of ids."
    if errors:
        raise field_errors(errors)
    record = call.book.find(body["marketplace"], body["marketplace_order_id"])
    record.merchant_ids = tuple(map(str, body["merchant_order_id"]))
    call.book.touch(record, call.now)
    return Answer.json({**body, "merchant_order_id": list(record.merchant_ids)})


def create_action(call: Call) -> Answer:
    """Reference 4.1 and 4.10. What is refused here never reaches the marketplace; the ledger tells it apart."""
    lengow = call.lengow
    arguments = arguments_of(call.request)
    call.check_account(arguments)
    try:
        check_identity(arguments)
        record = call.book.find(arguments["marketplace"], arguments["marketplace_order_id"])
        check(arguments, record, lengow.marketplaces.descriptions.get(record.sale.marketplace))
    except Refusal as refusal:
        lengow.rejections.append(Rejection(call.account_id, call.now, arguments, refusal.answer.body.decode()))
        raise
    action = lengow.actions.create(call.account_id, arguments, record, call.now)
    return Answer.json(lengow.actions.describe(action), 201)


def list_actions(call: Call) -> Answer:
    call.check_account(call.request.query)
    return paged(call.request, call.lengow.actions.select(call.account_id, call.request))


ROUTES: Mapping[str, Mapping[str, Endpoint]] = {
    "/access/get_token": {"POST": get_token},
    "/me": {"GET": me},
    "/rate-limits": {"GET": rate_limits},
    "/v3.0/orders": {"GET": list_orders},
    "/v3.0/orders/moi": {"PATCH": set_merchant_order_ids, "POST": set_merchant_order_ids},
    "/v3.0/orders/actions": {"GET": list_actions, "POST": create_action},
    "/v3.0/marketplaces": {"GET": list_marketplaces},
}
