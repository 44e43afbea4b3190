"""*Nothing lost, nothing doubled*: the ledger compared with what the shops hold."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from lengow.sandbox.ledger import Ledger, SoldOrder, Told

Key = tuple[int, str, str]

# Arguments by which an action is about a part of a line.
PARTS = ("quantity", "shipped_quantity", "cancel_quantity", "refund_quantity")


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the shop says of a parcel that it sent."""

    carrier: str | None = None
    number: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """One order of the shop: a package, or a whole marketplace order. `line_ids`: the marketplace's.
    `total`: tax included; None where it is not to be compared. `shipped`: None until the shop has sent it."""

    marketplace: str
    marketplace_order_id: str
    line_ids: tuple[str, ...]
    total: Decimal | None = None
    shipped: Tracking | None = None


@dataclass(frozen=True, slots=True)
class ShopHoldings:
    """One shop: what it holds, and what it is there for. `marketplaces`, `catalogues` None: all of the account.
    `since`: orders of before are not for it. `converts_currency`: it asked Lengow for converted amounts, and so
    cannot take an order without a rate."""

    orders: Sequence[HeldOrder]
    imports_fulfilment: bool = False
    marketplaces: tuple[str, ...] | None = None
    catalogues: tuple[int, ...] | None = None
    since: datetime | None = None
    converts_currency: bool = False

    def is_for(self, order: SoldOrder) -> bool:
        return (
            (self.imports_fulfilment or not order.fulfilment)
            and (self.marketplaces is None or order.marketplace in self.marketplaces)
            and (self.catalogues is None or order.catalog_id in self.catalogues)
            and (self.since is None or order.ordered_at >= self.since)
            and not (self.converts_currency and order.converted_total is None)
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `line_id` None: the whole order."""

    account_id: int
    marketplace: str
    order_id: str
    line_id: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """`lost`: lines to be imported that no shop of the account holds. `doubled`: lines held twice, and confirmations
    told twice. `unexpected`: held, and never to be. `unconfirmed`: shipped by the shop, not (yet) taken by the
    marketplace. `refused`: the marketplace's no to an action. `wrong_totals`: whole orders whose amounts differ.
    `expected` and `held` count lines; `confirmed` counts actions that the marketplace took."""

    lost: tuple[Finding, ...]
    doubled: tuple[Finding, ...]
    unexpected: tuple[Finding, ...]
    unconfirmed: tuple[Finding, ...]
    refused: tuple[Finding, ...]
    wrong_totals: tuple[Finding, ...]
    expected: int
    held: int
    confirmed: int

    @property
    def nothing_lost(self) -> bool:
        return not self.lost

    @property
    def nothing_doubled(self) -> bool:
        return not self.doubled

    @property
    def all_confirmed(self) -> bool:
        return not self.unconfirmed

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled, nothing held that should not be, no amount wrong."""
        return not (self.lost or self.doubled or self.unexpected or self.wrong_totals)


def reconcile(ledger: Ledger, shops: Mapping[int, ShopHoldings | Sequence[ShopHoldings]]) -> Reconciliation:
    """Compares the ledger with the shop, or the shops, of each account id.

    An account without a shop has lost all that it sold. To be imported is what Lengow shows now in an importable
    status, not anonymised, by lines that are not cancelled or refused; what was there to be imported once may be held
    for ever after. Call it when the connector is at rest.
    """
    compared = _Comparison(ledger, {account_id: _listed(given) for account_id, given in shops.items()})
    return Reconciliation(
        lost=tuple(compared.lost()),
        doubled=(*compared.held_twice(), *_told_twice(ledger.told)),
        unexpected=tuple(compared.unexpected()),
        unconfirmed=tuple(compared.unconfirmed()),
        refused=tuple(_refused(ledger.told)),
        wrong_totals=tuple(compared.wrong_totals()),
        expected=len(compared.expected),
        held=sum(compared.held.values()),
        confirmed=sum(told.outcome == "confirmed" for told in ledger.told),
    )


def _listed(given: ShopHoldings | Sequence[ShopHoldings]) -> Sequence[ShopHoldings]:
    return (given,) if isinstance(given, ShopHoldings) else given


class _Comparison:
    def __init__(self, ledger: Ledger, shops: Mapping[int, Sequence[ShopHoldings]]) -> None:
        self.shops = shops
        self.sold: dict[Key, SoldOrder] = {
            (order.account_id, order.marketplace, order.order_id): order for order in ledger.sold
        }
        self.held = Counter(
            (_key(account_id, order), line_id)
            for account_id, _, order in self._held_orders()
            for line_id in order.line_ids
        )
        self.expected = [
            (key, line.id)
            for key, order in self.sold.items()
            if order.expected and self._has_shop(order)
            for line in order.lines
            if line.importable
        ]
        self.confirmed_lines = {
            ((told.account_id, told.marketplace, told.order_id), line_id)
            for told in ledger.told
            if told.action_type == "ship" and told.outcome == "confirmed"
            for line_id in told.line_ids
        }

    def lost(self) -> Iterator[Finding]:
        for key, line_id in self.expected:
            if not self.held[key, line_id]:
                yield Finding(*key, line_id, "is in no shop")

    def held_twice(self) -> Iterator[Finding]:
        for (key, line_id), times in self.held.items():
            if times > 1:
                yield Finding(*key, line_id, f"is held {times} times")

    def unexpected(self) -> Iterator[Finding]:
        for account_id, shop, held in self._held_orders():
            key = _key(account_id, held)
            for line_id in held.line_ids:
                if why := _why_unexpected(self.sold.get(key), line_id, shop):
                    yield Finding(*key, line_id, why)

    def unconfirmed(self) -> Iterator[Finding]:
        """Not asked of fulfilment orders, which the marketplace itself sent, nor of lines that it cancelled."""
        for account_id, _, held in self._held_orders():
            key = _key(account_id, held)
            sold = self.sold.get(key)
            if held.shipped is None or sold is None or sold.fulfilment:
                continue
            dropped = {line.id for line in sold.lines if line.state in ("canceled", "refused")}
            for line_id in held.line_ids:
                if line_id not in dropped and (key, line_id) not in self.confirmed_lines:
                    yield Finding(*key, line_id, "was shipped, and the marketplace has not taken it")

    def wrong_totals(self) -> Iterator[Finding]:
        """Only of orders held whole, as sold: what was amended or cancelled since is left out."""
        held_by_order: dict[Key, list[HeldOrder]] = defaultdict(list)
        for account_id, _, order in self._held_orders():
            held_by_order[_key(account_id, order)].append(order)
        for key, orders in held_by_order.items():
            sold = self.sold.get(key)
            totals = [order.total for order in orders if order.total is not None]
            if sold is None or sold.changed or sold.expected is None or len(totals) < len(orders):
                continue
            if Counter(line_id for order in orders for line_id in order.line_ids) != Counter(
                line.id for line in sold.lines
            ):
                continue
            if (total := sum(totals, Decimal(0))) not in (sold.total, sold.converted_total):
                yield Finding(*key, None, f"is held at {total}, and was sold at {sold.total} {sold.currency}")

    def _held_orders(self) -> Iterator[tuple[int, ShopHoldings, HeldOrder]]:
        for account_id, shops in self.shops.items():
            for shop in shops:
                for order in shop.orders:
                    yield account_id, shop, order

    def _has_shop(self, order: SoldOrder) -> bool:
        """An account without any shop is one whose orders nobody fetched."""
        shops = self.shops.get(order.account_id, ())
        return not shops or any(shop.is_for(order) for shop in shops)


def _key(account_id: int, order: HeldOrder) -> Key:
    return account_id, order.marketplace, order.marketplace_order_id


def _why_unexpected(sold: SoldOrder | None, line_id: str, shop: ShopHoldings) -> str | None:
    if sold is None:
        return "was never sold to this account"
    if not shop.is_for(sold):
        return "is delivered by the marketplace" if sold.fulfilment else "is not for this shop"
    if sold.expected is None:
        return None
    line = next((line for line in sold.lines if line.id == line_id), None)
    if line is None:
        return "is no line of this order"
    return None if line.was_importable else f"was never to be imported ({sold.lengow_status or 'not collected'})"


def _told_twice(told: Sequence[Told]) -> Iterator[Finding]:
    """The same kind of action for the same line, before the first one was refused."""
    before: dict[tuple[Key, str, str], list[Told]] = defaultdict(list)
    for action in sorted(told, key=lambda one: (one.received_at, one.id)):
        key = (action.account_id, action.marketplace, action.order_id)
        for line_id in action.line_ids:
            earlier = before[key, action.action_type, line_id]
            if any(_stood(one, action.received_at) for one in earlier):
                yield Finding(*key, line_id, f"{action.action_type} was told again by action {action.id}")
            earlier.append(action)


def _stood(action: Told, at: datetime) -> bool:
    refused = action.outcome == "refused" and action.decided_at is not None and action.decided_at <= at
    partial = any(name in action.arguments for name in PARTS)
    return not refused and not partial


def _refused(told: Sequence[Told]) -> Iterator[Finding]:
    for action in told:
        if action.outcome == "refused":
            key = (action.account_id, action.marketplace, action.order_id)
            yield Finding(*key, action.arguments.get("line"), f"{action.action_type}: {action.errors}")
