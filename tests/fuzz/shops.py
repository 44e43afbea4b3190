"""The shops of all platforms as they answer when a plugin, a proxy or a crash has been at their answers."""

import copy
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))

from magento_shop import ContractMagento
from prestashop_shop import ContractPrestaShop
from shopware_shop import ContractShopware
from woocommerce_shop import ContractWooCommerce

from lengow.adapters.contract import new_order
from lengow.connector.adapter import Cancel, CancelLines, CorrectAddress, Created, MarkShipped, Refund, ShopOrder
from lengow.connector.model import Address, NewOrder, Tracking
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.standin import Fault

SHOPS: Mapping[str, Callable[[], Any]] = {
    "magento": ContractMagento,
    "prestashop": ContractPrestaShop,
    "shopware": ContractShopware,
    "woocommerce": ContractWooCommerce,
}
AMOUNT = Decimal("24.90")
LONG_AGO = timedelta(days=30)

# What happens to an answer


class Lie(msgspec.Struct, frozen=True):
    """What becomes of one answer: the first, or a later one."""

    after: int
    how: str
    place: int = 0
    """Which of the values in the answer, counted in the order in which they stand."""
    value: Any = None

    def __call__(self, answer: Answer) -> Answer:
        if self.how in BODIES:
            return BODIES[self.how](answer)
        return _field(answer, self)


HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon</body></html>"
NOTICE = (
    b"<br />\n<b>Warning</b>:  Undefined array key &quot;x&quot; in <b>/var/www/plugin.php</b> on line <b>7</b><br />\n"
)
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;">]><prestashop><api>&b;</api></prestashop>'


def _with(body: bytes) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(answer.status, body, answer.headers)


def _status(status: int, body: bytes = b"", **headers: str) -> Callable[[Answer], Answer]:
    return lambda _: Answer(status, body, headers)


BODIES: Mapping[str, Callable[[Answer], Answer]] = {
    "empty": _with(b""),
    "html": _status(200, HTML),
    "notice": lambda answer: Answer(answer.status, NOTICE + answer.body, answer.headers),
    "notice after": lambda answer: Answer(answer.status, answer.body + NOTICE, answer.headers),
    "cut": lambda answer: Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers),
    "latin-1": lambda answer: Answer(answer.status, answer.body.replace(b'"', b'"\xe9', 1), answer.headers),
    "utf-16": lambda answer: Answer(answer.status, answer.body.decode("utf-8", "replace").encode("utf-16"), {}),
    "nested": _with(b"[" * 50_000),
    "nested in objects": _with(b'{"data":' * 50_000),
    "long": _with(b'{"a": "' + b"x" * 3_000_000 + b'"}'),
    "null": _with(b"null"),
    "true": _with(b"true"),
    "number": _with(b"7"),
    "text": _with(b'"soon"'),
    "list of nothing": _with(b"[null]"),
    "list of lists": _with(b"[[]]"),
    "zero bytes": _with(b"\x00" * 64),
    "entities": _with(LAUGHS),
    "another object": _with(b'{"message": "Under maintenance"}'),
    "moved": _status(301, Location="http://127.0.0.1:9/elsewhere"),
    "found": _status(302, HTML, Location="/login"),
    "no content": _status(204),
    "not modified": _status(304),
    "teapot": _status(207, b"{}"),
    "bad gateway": _status(502, HTML),
    "no gzip": lambda answer: Answer(answer.status, answer.body, {**answer.headers, "Content-Encoding": "gzip"}),
    "too short": lambda answer: Answer(answer.status, answer.body, {**answer.headers, "Content-Length": "1"}),
    "odd headers": lambda answer: Answer(
        answer.status,
        answer.body,
        {**answer.headers, "Date": "yesterday", "Access-Time": "9" * 400, "X-WP-Total": "x", "Retry-After": "-1"},
    ),
    "beyond the calendar": lambda answer: Answer(
        answer.status,
        answer.body,
        {**answer.headers, "Date": "Fri, 31 Dec 9999 23:59:59 -1200", "Access-Time": "9" * 11},
    ),
}
"""Of a whole answer. None of them says no: what the shop did stays done."""

WRONG: Mapping[str, Sequence[Any]] = {
    "object": (None, True, 7, "x", [1], [[]], "@missing"),
    "list": (None, True, 7, "x", {"a": 1}, {"0": 1}, "@missing"),
    "text": (None, True, [], {}, ["x"], {"a": "x"}, "@missing"),
    "number": (None, True, "", "x", "1e999999", "NaN", [], {}, [1], {"a": 1}, "@missing", "9" * 5000),
    "truth": (None, "x", [], {}, "@missing"),
    "nothing": (True, 7, "x", [1], {"a": 1}, "@missing"),
}
"""By the kind of a value in JSON, values of which anybody can see that they are none of this place."""

RIGHT: Mapping[str, Callable[[Any], Any]] = {
    "number": str,
    "object": lambda value: {**value, "_plugin": {"a": [1, None]}, "": ""},
}
"""What PHP does to values now and then, and what a plugin adds: an answer that is as good as before."""

LIES = st.one_of(
    st.builds(Lie, st.integers(0, 30), st.sampled_from(sorted(BODIES))),
    st.builds(Lie, st.integers(0, 30), st.just("wrong"), st.integers(0, 400), st.integers(0, 7)),
    st.builds(Lie, st.integers(0, 30), st.just("wrong"), st.integers(0, 400), st.integers(0, 7)),
    st.builds(Lie, st.integers(0, 30), st.just("right"), st.integers(0, 400)),
)


def _field(answer: Answer, lie: Lie) -> Answer:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return answer
    paths = [path for path in _paths(document, ()) if lie.how == "wrong" or _kind(_at(document, path)) in RIGHT]
    if not paths:
        return answer
    path = paths[lie.place % len(paths)]
    changed = copy.deepcopy(document)
    value = _at(document, path)
    wrong = WRONG[_kind(value)]
    made = RIGHT[_kind(value)](value) if lie.how == "right" else wrong[lie.value % len(wrong)]
    place = _at(changed, path[:-1])
    if made == "@missing" and isinstance(place, dict):
        del place[path[-1]]
    else:
        place[path[-1]] = None if made == "@missing" else made
    return Answer(answer.status, json.dumps(changed).encode(), answer.headers)


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _paths(one, (*path, key))


def _at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, str):
        return "text"
    return "object" if isinstance(value, dict) else "list" if isinstance(value, list) else "number"


# The shop, and what is asked of it


class World:
    """A stand-in with an order of each kind, and an adapter that has asked it nothing yet."""

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self.shop = SHOPS[platform]()
        self.adapter = self.shop.adapter(call_timeout=60)
        self.made = 0
        self.after = LONG_AGO

    def order(self) -> NewOrder:
        self.made += 1
        lines = [(self.shop.simple, 2, str(AMOUNT)), (self.shop.another, 1, "9.99")]
        return new_order(f"F-{self.made}", lines, shipping="4.90", fee="1.50")

    def placed(self) -> tuple[NewOrder, ShopOrder]:
        order = self.order()
        with self.fresh() as adapter:
            [outcome] = adapter.create_orders([order])
        assert isinstance(outcome, Created), outcome
        return order, outcome.shop_order

    @contextmanager
    def fresh(self) -> Iterator[Any]:
        """Another adapter, which was told no lies."""
        adapter = self.shop.adapter(call_timeout=60)
        try:
            yield adapter
        finally:
            adapter.close()

    @contextmanager
    def lying(self, lie: Lie) -> Iterator[None]:
        fault = Fault("changed", method="", path="", after=lie.after, change=lie)
        self.shop.standin.server.fail(fault)
        try:
            yield
        finally:
            self.shop.mend()

    def settle(self) -> None:
        self.shop.pass_time(self.adapter.capabilities.settle_seconds + 5)

    def close(self) -> None:
        self.adapter.close()
        self.shop.close()


def changes(order: NewOrder) -> Mapping[str, Any]:
    elsewhere = Address(
        first_name="Ana", last_name="Lopez", first_line="7 rue Neuve", zipcode="75001", city="Paris", country="FR"
    )
    [line, _] = order.lines
    return {
        "cancel": Cancel("out of stock"),
        "ship": MarkShipped(Tracking("colissimo", "Colissimo", "6A1", "https://track.example.com/6A1")),
        "address": CorrectAddress(delivery=elsewhere),
        "refund": Refund("r-1", AMOUNT, "broken", (line.id,)),
        "lines": CancelLines((line.id,), AMOUNT, "broken"),
    }


SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def readings(world: World, order: NewOrder, shop_order: ShopOrder) -> Mapping[str, Callable[[], object]]:
    """Everything that is only read, by the name of the port's method."""
    adapter, shop = world.adapter, world.shop
    found: dict[str, Callable[[], object]] = {
        "find_order": lambda: adapter.find_order(order.reference),
        "find_order of none": lambda: adapter.find_order("NOBODY"),
        "find_products": lambda: adapter.find_products([shop.simple, shop.variant, shop.ambiguous, shop.unknown]),
        "shipments_since": lambda: adapter.shipments_since(""),
        "shipments_of": lambda: adapter.shipments_of(shop_order.id),
        "orders_since": lambda: adapter.orders_since(SINCE, ""),
        "products": lambda: list(adapter.products()),
        "check": adapter.check,
        "connect": lambda: adapter.connect("http://127.0.0.1:9/webhooks/main"),
    }
    if adapter.capabilities.invoices:
        found["invoice_of"] = lambda: adapter.invoice_of(shop_order)
    return found
