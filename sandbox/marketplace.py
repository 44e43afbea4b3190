"""ManoMano and its like, behind Lengow: they hold the sales, change them, and take or refuse what Lengow tells."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from lengow.sandbox.descriptions import Description
from lengow.sandbox.errors import SandboxError
from lengow.sandbox.generator import anonymous
from lengow.sandbox.sales import DROPPED, Address, Line, Parcel, Sale, with_lines

DAILY_DEPTH = timedelta(days=3)
ADDRESS_FIELDS = frozenset(Address.__dataclass_fields__)
AMOUNTS = frozenset({"shipping", "processing_fee"})

Key = tuple[int, str, str]


class Refused(Exception):
    """The marketplace's own no, with the text that Lengow passes on in an action's `errors`."""


class Marketplaces:
    """All sales of all accounts, and which of them Lengow has not seen since they changed."""

    def __init__(self, descriptions: Mapping[str, Description]) -> None:
        self.descriptions = descriptions
        self.sales: dict[Key, Sale] = {}
        self._altered: set[Key] = set()
        self._changed: dict[Key, None] = {}
        self._shown_daily_only: dict[Key, None] = {}

    def sell(self, sales: Iterable[Sale]) -> None:
        for sale in sales:
            if sale.key in self.sales:
                raise SandboxError(f"{sale.marketplace} has already sold an order {sale.id}")
            self._put(sale, late=sale.kind == "late")

    def find(self, order_id: str) -> Sale:
        """The one sale of this id in all accounts. Raises SandboxError for none or several."""
        found = [sale for sale in self.sales.values() if sale.id == order_id]
        if len(found) != 1:
            raise SandboxError(f"{len(found)} orders are called {order_id!r}")
        return found[0]

    def has_changed(self, sale: Sale) -> bool:
        """Whether its amounts may differ from what was sold."""
        return sale.key in self._altered

    def changed_since_last_collection(self) -> list[Sale]:
        """What the collection of each 15 minutes sees; it is told once."""
        changed, self._changed = self._changed, {}
        return [self.sales[key] for key in changed]

    def missed_in_last_days(self, now: datetime) -> list[Sale]:
        """What only the daily re-reading of the last 3 days sees; older ones stay unseen."""
        missed, self._shown_daily_only = self._shown_daily_only, {}
        sales = [self.sales[key] for key in missed]
        return [sale for sale in sales if sale.ordered_at >= now - DAILY_DEPTH]

    def accept(self, order_id: str, late: bool = False) -> None:
        self._put(_move(self.find(order_id), None, "waiting_acceptance", "waiting_shipment"), late)

    def cancel(self, order_id: str, line_ids: Collection[str] | None = None, late: bool = False) -> None:
        """By the buyer or the marketplace: whatever state the lines are in."""
        sale = self.find(order_id)
        if unknown := set(line_ids or ()) - {line.id for line in sale.lines()}:
            raise SandboxError(f"order {order_id} has no lines {sorted(unknown)}")
        self._altered.add(sale.key)
        self._put(
            with_lines(
                sale,
                lambda line: replace(line, state="canceled") if line_ids is None or line.id in line_ids else line,
            ),
            late,
        )

    def ship(self, order_id: str, arguments: Mapping[str, str], at: datetime, late: bool = False) -> None:
        """In the marketplace's own back office; all that still waits."""
        sale = self.find(order_id)
        try:
            self._put(_ship(sale, arguments, at, self.word_for(sale)), late)
        except Refused as refused:
            raise SandboxError(str(refused)) from refused

    def refund(
        self, order_id: str, line_ids: Collection[str] | None = None, quantity: int | None = None, late: bool = False
    ) -> None:
        """By the marketplace or in its back office, shipped or not. `quantity`: so many pieces of the one line."""
        sale = self.find(order_id)
        chosen = {line.id for line in sale.lines() if line.state not in DROPPED} & set(
            line_ids if line_ids is not None else [line.id for line in sale.lines()]
        )
        if not chosen or (quantity is not None and len(chosen) != 1) or set(line_ids or chosen) - chosen:
            raise SandboxError(f"order {order_id} has no such lines to refund")

        def refunded(line: Line) -> Line:
            if line.id not in chosen:
                return line
            pieces = line.quantity if quantity is None else line.refunded_quantity + quantity
            if pieces > line.quantity:
                raise SandboxError(f"line {line.id}: {pieces} refunded of {line.quantity}")
            return replace(line, refunded_quantity=pieces, state="refunded" if pieces == line.quantity else line.state)

        self._put(with_lines(sale, refunded), late)

    def anonymize(self, order_id: str, late: bool = False) -> None:
        self._put(anonymous(self.find(order_id)), late)

    def amend(self, order_id: str, changes: Mapping[str, Any], late: bool = False) -> None:
        """`changes`: fields of the address (delivery and billing alike, or in an object `billing` or `delivery`),
        `shipping`, `processing_fee`, `quantity` of the first line (its amount follows), `comments`."""
        allowed = ADDRESS_FIELDS | AMOUNTS | {"billing", "delivery", "quantity", "comments"}
        if unknown := set(changes) - allowed:
            raise SandboxError(f"cannot amend {sorted(unknown)}; there are {sorted(allowed)}")
        sale = _amended(self.find(order_id), changes)
        self._altered.add(sale.key)
        self._put(sale, late)

    def perform(self, key: Key, action_type: str, arguments: Mapping[str, str], at: datetime) -> None:
        """What Lengow tells the marketplace. Raises Refused with the marketplace's text."""
        sale = self.sales[key]
        if sale.marketplace.startswith("manomano_"):
            _check_manomano(action_type, arguments)
        self._put(_ACTIONS[action_type](sale, arguments, at, self.word_for(sale)), late=False)

    def word_for(self, sale: Sale) -> str:
        status = self.descriptions.get(sale.marketplace, {}).get("orders", {}).get("status", {})
        return str(next(iter(status.get(sale.state, [])), sale.state.upper()))

    def _put(self, sale: Sale, late: bool) -> None:
        self.sales[sale.key] = sale
        (self._shown_daily_only if late else self._changed)[sale.key] = None


def _check_manomano(action_type: str, arguments: Mapping[str, str]) -> None:
    """Rules that ManoMano has and Lengow's description does not express (reference 2.8)."""
    if action_type != "ship":
        return
    needed = ("carrier_name", "tracking_url") if arguments["carrier"] == "Other" else ()
    if missing := [name for name in needed if not arguments.get(name)]:
        raise Refused(f"Invalid shipment: {' and '.join(missing)} required when carrier is Other.")
    url = arguments.get("tracking_url")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise Refused(f"Invalid shipment: tracking_url is not a valid URL: {url}")


def _ship(sale: Sale, arguments: Mapping[str, str], at: datetime, word: str) -> Sale:
    lines = _wanted(sale, arguments, "waiting_shipment", f"Order {sale.id} cannot be shipped: its status is {word}.")
    asked = _pieces(sale, lines, arguments, ("shipped_quantity", "quantity"))
    going = {line.id for line in lines}

    def shipped_piece(line: Line) -> Line:
        if line.id not in going:
            return line
        quantity = line.shipped_quantity + asked if asked else line.quantity - line.canceled_quantity
        if quantity + line.canceled_quantity > line.quantity:
            raise Refused(f"Line {line.id}: {quantity} shipped of {line.quantity - line.canceled_quantity}.")
        whole = quantity + line.canceled_quantity == line.quantity
        return replace(line, shipped_quantity=quantity, state="shipped" if whole else line.state)

    shipped = with_lines(sale, shipped_piece)
    carrier = arguments.get("carrier")
    if carrier == "Other":
        carrier = arguments.get("carrier_name", carrier)

    def parcel(line_ids: tuple[str, ...]) -> Parcel:
        return Parcel(arguments["tracking_number"], carrier, arguments.get("tracking_url"), at, line_ids)

    packages = tuple(
        replace(package, parcels=(*package.parcels, parcel(ids)))
        if (ids := tuple(line.id for line in package.lines if line.id in going))
        else package
        for package in shipped.packages
    )
    return replace(shipped, packages=packages)


def _cancel(sale: Sale, arguments: Mapping[str, str], _at: datetime, word: str) -> Sale:
    lines = _wanted(sale, arguments, "waiting_shipment", f"Order {sale.id} cannot be canceled: its status is {word}.")
    asked = _pieces(sale, lines, arguments, ("cancel_quantity", "quantity"))
    chosen = {line.id for line in lines}

    def canceled(line: Line) -> Line:
        if line.id not in chosen:
            return line
        quantity = line.canceled_quantity + asked if asked else line.quantity - line.shipped_quantity
        if quantity + line.shipped_quantity > line.quantity:
            raise Refused(f"Line {line.id}: {quantity} canceled of {line.quantity - line.shipped_quantity}.")
        whole = quantity + line.shipped_quantity == line.quantity
        state = ("shipped" if line.shipped_quantity else "canceled") if whole else line.state
        return replace(line, canceled_quantity=quantity, state=state)

    return with_lines(sale, canceled)


def _pieces(sale: Sale, lines: Sequence[Line], arguments: Mapping[str, str], names: Sequence[str]) -> int | None:
    """How many of the one line an action is about; None: all that is left of it."""
    asked = next((arguments[name] for name in names if name in arguments), None)
    if asked is not None and (len(lines) != 1 or "line" not in arguments):
        raise Refused(f"Order {sale.id}: a quantity needs a line.")
    return None if asked is None else int(asked)


def _refund(sale: Sale, arguments: Mapping[str, str], _at: datetime, word: str) -> Sale:
    lines = _wanted(sale, arguments, "shipped", f"Order {sale.id} cannot be refunded: its status is {word}.")
    asked = arguments.get("refund_quantity")
    chosen = {line.id for line in lines}
    if asked and len(lines) != 1:
        raise Refused(f"Order {sale.id}: refund_quantity needs a line.")

    def refunded(line: Line) -> Line:
        if line.id not in chosen:
            return line
        quantity = line.refunded_quantity + int(asked) if asked else line.quantity
        if quantity > line.quantity:
            raise Refused(f"Line {line.id}: {quantity} refunded of {line.quantity}.")
        return replace(line, refunded_quantity=quantity, state="refunded" if quantity == line.quantity else line.state)

    return with_lines(sale, refunded)


def _mover(verb: str, source: str, target: str) -> Callable[[Sale, Mapping[str, str], datetime, str], Sale]:
    def act(sale: Sale, arguments: Mapping[str, str], _at: datetime, word: str) -> Sale:
        lines = _wanted(sale, arguments, source, f"Order {sale.id} cannot be {verb}: its status is {word}.")
        return _move(sale, [line.id for line in lines], source, target)

    return act


_ACTIONS: Mapping[str, Callable[[Sale, Mapping[str, str], datetime, str], Sale]] = {
    "accept": _mover("accepted", "waiting_acceptance", "waiting_shipment"),
    "refuse": _mover("refused", "waiting_acceptance", "refused"),
    "cancel": _cancel,
    "ship": _ship,
    "refund": _refund,
}


def _wanted(sale: Sale, arguments: Mapping[str, str], state: str, otherwise: str) -> Sequence[Line]:
    """The lines that an action is about: the one it names, else all that still stand in `state`."""
    named = arguments.get("line")
    lines = [line for line in sale.lines() if line.state == state and named in (None, line.id)]
    if not lines or (named is None and sale.state != state):
        raise Refused(otherwise if named is None else f"Line {named}: {otherwise}")
    return lines


def _move(sale: Sale, line_ids: Collection[str] | None, source: str, target: str) -> Sale:
    return with_lines(
        sale,
        lambda line: (
            replace(line, state=target) if line.state == source and (line_ids is None or line.id in line_ids) else line
        ),
    )


def _amended(sale: Sale, changes: Mapping[str, Any]) -> Sale:
    address = {name: value for name, value in changes.items() if name in ADDRESS_FIELDS}
    to, billed = {**address, **changes.get("delivery", {})}, {**address, **changes.get("billing", {})}
    if unknown := (set(to) | set(billed)) - ADDRESS_FIELDS:
        raise SandboxError(f"an address has no {sorted(unknown)}")
    packages = tuple(replace(one, delivery=replace(one.delivery, **to)) for one in sale.packages)
    amended = replace(sale, packages=packages, billing=replace(sale.billing, **billed))
    try:
        amounts: dict[str, Any] = {name: Decimal(str(changes[name])) for name in AMOUNTS & set(changes)}
        quantity = int(changes.get("quantity", 1))
    except (InvalidOperation, ValueError, TypeError) as error:
        raise SandboxError(f"not an amount or a quantity in {dict(changes)}") from error
    amended = replace(amended, **amounts)
    if "comments" in changes:
        amended = replace(amended, comments=changes["comments"])
    if "quantity" not in changes:
        return amended
    first = next((line for line in sale.lines() if line.state not in DROPPED), None)
    if first is None:
        raise SandboxError(f"order {sale.id} has no line left")
    unit = first.amount / first.quantity
    return with_lines(
        amended,
        lambda line: replace(line, quantity=quantity, amount=unit * quantity) if line.id == first.id else line,
    )
