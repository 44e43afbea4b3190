"""Issues what is due: an invoice for each package that has gone out, a credit note for what was given back.

The journal is the guide: whatever happened to an order is in it, so each order that something happened to since the last
look is looked at, once more than needed rather than once less. What was issued for a cause is never issued again.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from lengow.connector.adapter import ShopOrder
from lengow.connector.context import CONNECTOR, Context
from lengow.connector.currencies import unit_of
from lengow.connector.documents import Invoicing, ShopInvoice
from lengow.connector.errors import ShopUnavailable, StoreError
from lengow.connector.model import Order, OrderState
from lengow.connector.store.rows import ActionRow, PackageRow, StoredOrder
from lengow.invoices.composing import Dates, compose, is_french_business, outline
from lengow.invoices.crediting import Credited, credit, credited, left, shared
from lengow.invoices.document import Document, Kind
from lengow.invoices.errors import InvoiceHeld
from lengow.invoices.ledger import InvoiceRow, InvoiceState, Ledger, Reading, Switch, Writing
from lengow.invoices.notes import note
from lengow.invoices.rendering import render
from lengow.invoices.settings import InvoiceSettings, ShopInvoices, number_of, series_of
from lengow.invoices.shipped import GivenBack, given_back, is_shipped, sold_lines
from lengow.invoices.vat import rounded

log = logging.getLogger("lengow.invoices.issuing")

PAGE = 500
LATE_ENTRIES = timedelta(minutes=5)
"""An entry of the journal may come in this long after younger ones: for so long they are looked at again."""

PREVIEW_NUMBER = "PREVIEW"

Compose = Callable[[str], Document]
"""The document under a number."""


RETRIED = ("no_shop_invoice", "shop_unavailable", "not_made")
"""Reasons that may be gone without anybody doing anything here: what is held for them is looked at again."""
LOOK_AGAIN = timedelta(minutes=15)


class Due(msgspec.Struct, frozen=True):
    """One document that is to be issued."""

    row: InvoiceRow
    compose: Compose
    fetch: Callable[[], ShopInvoice] | None = None
    """For the invoice that the shop has made itself; raises InvoiceHeld."""
    credited: int | None = None
    """Of a credit note: how many there were of the package when it was decided on. With another in between it is not
    issued, and decided on anew."""


class Issuer:
    """Issues for one account, in the shops that the settings switch on."""

    def __init__(self, context: Context, ledger: Ledger, settings: InvoiceSettings, account: str) -> None:
        self._context = context
        self._ledger = ledger
        self._settings = settings
        self._account = account
        self._shops = {
            name: settings.shops[name] for name in context.settings.shops_of(account) if name in settings.shops
        }

    def issue_due(self, keep: Callable[[], None] = lambda: None) -> int:
        """Look at every order that something happened to; returns how many documents were issued.

        `keep` is called before each order, to renew a lease.
        """
        start = self._ledger.cursor(self._account)
        if start is None:
            start = self._context.store.newest_entry()
            self._move_cursor(start)
        self._mind_switches()
        kept = start
        settled = self._context.now() - LATE_ENTRIES
        issued = 0
        for row in self._ledger.held_again(self._account, self._context.now()):
            keep()
            issued += self.issue(row.order_id)
        for entries in self._entries(start):
            for order_id in dict.fromkeys(entry[2] for entry in entries):
                keep()
                issued += self.issue(order_id)
            kept = max([kept, *(entry_id for entry_id, at, _ in entries if at < settled)])
            self._move_cursor(kept)
        return issued

    def _mind_switches(self) -> None:
        """What was shipped before a shop was switched on is never invoiced, whatever happens to it later."""
        on = {switch for name, shop in self._shops.items() for switch in _switches(name, shop)}
        shops = self._context.settings.shops_of(self._account)
        before = {switch for switch in self._ledger.switches() if switch[0] in shops}
        for switch in sorted(on - before):
            shipped = [
                package_id
                for order_id, package_id in self._ledger.confirmed_in_part(switch)
                if self._is_shipped(order_id, package_id)
            ]
            with self._ledger.transaction() as tx:
                tx.switch_on(switch, shipped)
        for switch in sorted(before - on):
            with self._ledger.transaction() as tx:
                tx.switch_off(switch)

    def _is_shipped(self, order_id: int, package_id: int) -> bool:
        store = self._context.store
        order, packages = store.models([order_id]).get(order_id), store.packages([package_id])
        return order is not None and is_shipped(order, packages[package_id], store.actions_of(order_id))

    def would_issue(self) -> list[Due]:
        """What `issue_due` would issue or hold; nothing is written."""
        start = self._ledger.cursor(self._account)
        if start is None:
            return []
        order_ids = dict.fromkeys(entry[2] for entries in self._entries(start) for entry in entries)
        return [self._tried(due) for order_id in order_ids for due in self._due(order_id)]

    def issue(self, order_id: int) -> int:
        """Issue what is due of one order; returns how many documents were."""
        issued = 0
        for due in self._due(order_id):
            try:
                write = self._write if due.fetch is None else self._write_fetched
                issued += write(due, CONNECTOR) is not None
            except InvoiceHeld as held:
                self._hold(due.row, held)
            except StoreError:
                raise
            except Exception as error:  # a fault of ours must not stop the invoices of other orders
                log.exception("an invoice could not be made", extra={"order": due.row.order_key})
                self._hold(due.row, InvoiceHeld("not_made", repr(error), what_to_do="Report it; it is tried again."))
        return issued

    def preview(self, stored: StoredOrder, order: Order, package: PackageRow) -> tuple[Document, bytes]:
        """What the invoice of a package would be, under no number, or the shop's own. Raises InvoiceHeld."""
        compose_under = self._compose(order, package, self._context.store.actions_of(stored.order.id))
        shop = self._shops.get(package.shop)
        if shop is not None and shop.source == "shop":
            found = self._fetch(package)
            return compose_under(found.number), found.pdf
        document = compose_under(PREVIEW_NUMBER)
        return document, render(document, self._settings.seller)

    def credit_by_hand(self, invoice: InvoiceRow, cause: str, amount: Decimal, who: str) -> InvoiceRow:
        """A credit note over an amount. Raises InvoiceHeld."""
        found = self._ledger.document(invoice.id)
        stored = self._context.store.order(invoice.order_id)
        if found is None or stored is None or not invoice.position or invoice.shop not in self._shops:
            raise InvoiceHeld("not_invoiced", f"{invoice.order_key} has no invoice that could be credited.")
        package = next(one for one in stored.packages if one.id == invoice.package_id)
        row = _row(stored, package, "credit_note", cause, self._context.now())
        row = msgspec.structs.replace(row, recipient=invoice.recipient)
        document = found[0]
        while self._ledger.of_cause(cause) is None:
            before = self._credit_notes(invoice)
            due = Due(row, self._credit(document, before, amount=amount), credited=len(before))
            if issued := self._write(due, who):
                return issued
        raise InvoiceHeld("already_credited", f"{cause!r} was credited before.", what_to_do="Nothing.")

    def _entries(self, after: int) -> Iterator[list[tuple[int, datetime, int]]]:
        while entries := self._context.store.journal_after(self._account, after, PAGE):
            yield entries
            after = entries[-1][0]

    def _due(self, order_id: int) -> Iterator[Due]:
        """What is to be issued of an order. Asked for one by one: a credit note rests on the invoice before it."""
        store = self._context.store
        stored, order = store.order(order_id), store.models([order_id]).get(order_id)
        if stored is None or order is None:
            return
        actions = store.actions_of(order_id)
        for package in stored.packages:
            shop = self._shops.get(package.shop)
            if shop is None or package.state is not OrderState.CREATED or not wanted(order, shop):
                continue
            if self._ledger.shipped_before(package.id):
                continue
            yield from self._due_invoice(stored, order, package, actions)
            if shop.source == "shop":
                continue
            for back in given_back(order, actions):
                yield from self._due_credit(stored, package, back)

    def _due_invoice(
        self, stored: StoredOrder, order: Order, package: PackageRow, actions: Sequence[ActionRow]
    ) -> Iterator[Due]:
        row = self._open(stored, package, "invoice", f"package {package.id}")
        if row is not None and is_shipped(order, package, actions):
            package = self._with_shipping(stored, order, package)
            row = msgspec.structs.replace(row, recipient=_recipient(order, package))
            own = self._shops[package.shop].source == "own"
            yield Due(row, self._compose(order, package, actions), None if own else lambda: self._fetch(package))

    def _with_shipping(self, stored: StoredOrder, order: Order, package: PackageRow) -> PackageRow:
        """The package; with the order's shipping and fee where the one that carries them is cancelled, uninvoiced."""
        carriers = [one for one in stored.packages if one.carries_shipping]
        rest = [one for one in stored.packages if one.state is OrderState.CREATED and sold_lines(order, one)]
        if not carriers or any(one in rest or self._has_number(one) for one in carriers) or rest[:1] != [package]:
            return package
        return msgspec.structs.replace(package, carries_shipping=True)

    def _has_number(self, package: PackageRow) -> bool:
        row = self._ledger.of_cause(f"package {package.id}")
        return row is not None and row.number != ""

    def _due_credit(self, stored: StoredOrder, package: PackageRow, back: GivenBack) -> Iterator[Due]:
        invoice = self._ledger.of_cause(f"package {package.id}")
        if invoice is None or not invoice.position or (back.line_id and back.line_id not in package.line_ids):
            return
        row = self._open(stored, package, "credit_note", f"{back.cause} of package {package.id}")
        found = self._ledger.document(invoice.id)
        if row is None or found is None:
            return
        row = msgspec.structs.replace(row, recipient=invoice.recipient)
        document, notes = found[0], self._credit_notes(invoice)
        gone = credited(document, notes)
        if gone.total >= document.total:
            return
        if back.for_a_person or not gone.by_line:
            if not back.line_id or back.line_id in {line.id for line in document.lines}:
                yield Due(row, partial(_for_a_person, back.for_a_person or "credited_by_hand", document))
            return
        pieces, amounts = _wanted(document, gone, back, goods=package.line_ids)
        if pieces or amounts:
            compose_under = self._credit(document, notes, pieces=pieces or None, amounts=amounts or None)
            yield Due(row, compose_under, credited=len(notes))

    def _credit(self, invoice: Document, before: Sequence[Document], **wanted: Any) -> Compose:
        return partial(_credit_note, invoice, issued_on=self._today(), before=before, **wanted)

    def _open(self, stored: StoredOrder, package: PackageRow, kind: Kind, cause: str) -> InvoiceRow | None:
        """The row of a cause that has no number yet; None when it was issued or dismissed."""
        before = self._ledger.of_cause(cause)
        if before is None:
            return _row(stored, package, kind, cause, self._context.now())
        return before if before.state is InvoiceState.HELD else None

    def _tried(self, due: Due) -> Due:
        try:
            document = due.compose(due.fetch().number if due.fetch else PREVIEW_NUMBER)
        except InvoiceHeld as held:
            row = msgspec.structs.replace(due.row, reason=held.code, about=str(held))
        else:
            row = msgspec.structs.replace(
                due.row, state=InvoiceState.ISSUED, total=f"{document.total:.2f}", currency=document.currency, reason=""
            )
        return msgspec.structs.replace(due, row=row)

    def _credit_notes(self, invoice: InvoiceRow) -> list[Document]:
        rows = _credited(self._ledger, invoice.order_id, invoice.package_id)
        return [found[0] for row in rows if (found := self._ledger.document(row.id))]

    def _compose(self, order: Order, package: PackageRow, actions: Sequence[ActionRow]) -> Compose:
        zone = self._settings.zone
        shipped_at = max((row.changed_at for row in actions if row.action_type == "ship"), default=order.updated_at)
        dates = Dates(self._today(), shipped_at.astimezone(zone).date(), order.date.astimezone(zone).date())
        shop = self._shops.get(package.shop)

        def under(number: str) -> Document:
            make = outline if shop is not None and shop.source == "shop" else compose
            document = make(order, package, self._settings, number=number, dates=dates)
            if shop is not None and shop.french_b2b == "hold" and is_french_business(document.buyer, document.seller):
                raise InvoiceHeld(
                    "french_b2b",
                    "Between businesses in France the invoice goes through an approved platform, not by mail.",
                    what_to_do="Issue it there; then `invoices dismiss ID`.",
                )
            return document

        return under

    def _write(self, due: Due, who: str) -> InvoiceRow | None:
        """Give the document its number and keep both; None when another worker was first, with this or another credit.

        It is drawn before that, under the number that most likely comes.
        """
        row, compose_under, shop = due.row, due.compose, self._shops[due.row.shop]
        year = compose_under(PREVIEW_NUMBER).issued_on.year  # not of now: midnight may have passed since
        pattern = shop.number if row.kind == "invoice" else shop.credit_note_number
        series = series_of(pattern, year)
        likely = self._ledger.last(series) + 1
        drawn = {likely: self._draw(compose_under, number_of(pattern, year, likely))}
        try:
            with self._ledger.transaction() as tx:
                if _taken(tx, row):
                    return None
                position = tx.next_position(series)
                _expect_credited(tx, due)
                number = number_of(pattern, year, position)
                document, pdf = drawn.get(position) or self._draw(compose_under, number)
                saved = tx.save(self._issued(row, shop, document, series, position))
                tx.save_document(saved.id, document, pdf)
        except _CreditedMeanwhile:
            return None
        note(self._context, saved, "invoiced", f"{saved.kind} {number}: {saved.total} {saved.currency}", who=who)
        return saved

    def _write_fetched(self, due: Due, who: str) -> InvoiceRow | None:
        """Keep the shop's own invoice, under the shop's number; None when another worker was first."""
        assert due.fetch is not None
        found = due.fetch()
        document = msgspec.structs.replace(due.compose(found.number), issued_on=found.issued_on)
        with self._ledger.transaction() as tx:
            if _taken(tx, due.row):
                return None
            saved = tx.save(self._issued(due.row, self._shops[due.row.shop], document, "", 0))
            tx.save_document(saved.id, document, found.pdf)
        note(self._context, saved, "invoiced", f"the shop's {saved.kind} {found.number}", who=who)
        return saved

    def _fetch(self, package: PackageRow) -> ShopInvoice:
        """Raises InvoiceHeld."""
        adapter = self._context.adapter(package.shop)
        assert isinstance(adapter, Invoicing), "the settings were checked for it"
        try:
            found = adapter.invoice_of(ShopOrder(package.shop_order_id, package.reference))
        except ShopUnavailable as error:
            raise InvoiceHeld("shop_unavailable", str(error), what_to_do="Nothing: it is asked again.") from error
        if found is None:
            raise InvoiceHeld(
                "no_shop_invoice",
                f"The shop has made no invoice of its order {package.shop_order_id} yet.",
                what_to_do="Make it in the shop; it is looked for again.",
            )
        return found

    def _draw(self, compose_under: Compose, number: str) -> tuple[Document, bytes]:
        document = compose_under(number)
        return document, render(document, self._settings.seller)

    def _issued(
        self, row: InvoiceRow, shop: ShopInvoices, document: Document, series: str, position: int
    ) -> InvoiceRow:
        now = self._context.now()
        state, reason = InvoiceState.ISSUED, ""
        if shop.mail:
            state, reason = (InvoiceState.TO_MAIL, "") if row.recipient else (InvoiceState.MAIL_FAILED, "no_email")
        return msgspec.structs.replace(
            row,
            number=document.number,
            series=series,
            position=position,
            total=f"{document.total:.2f}",
            currency=document.currency,
            state=state,
            reason=reason,
            about="",
            due_at=now if state is InvoiceState.TO_MAIL else None,
            issued_at=now,
            changed_at=now,
        )

    def _hold(self, row: InvoiceRow, held: InvoiceHeld) -> None:
        about, again = f"{held} {held.what_to_do}", held.code in RETRIED
        told = row.id and (row.reason, row.about) == (held.code, about)
        if told and not again:
            return
        now = self._context.now()
        due_at = now + LOOK_AGAIN if again else None
        changed = msgspec.structs.replace(
            row, state=InvoiceState.HELD, reason=held.code, about=about, due_at=due_at, changed_at=now
        )
        with self._ledger.transaction() as tx:
            if _taken(tx, row):
                return
            saved = tx.save(changed)
        if told:
            return
        log.warning("invoice held", extra={"order": row.order_key, "code": held.code})
        note(self._context, saved, "invoice_held", f"{held.code}: {held}")

    def _move_cursor(self, entry: int) -> None:
        with self._ledger.transaction() as tx:
            tx.move_cursor(self._account, entry)

    def _today(self) -> date:
        return self._context.now().astimezone(self._settings.zone).date()


def wanted(order: Order, shop: ShopInvoices) -> bool:
    """Whether the settings ask for an invoice of this order at all."""
    if order.marketplace in shop.billed_by_marketplace:
        return False
    switch = shop.marketplace_shipped if order.delivered_by_marketplace else shop.send
    return switch == "on_shipment"


def _switches(name: str, shop: ShopInvoices) -> list[Switch]:
    """Those of a shop that are on."""
    return [(name, by) for by, value in ((False, shop.send), (True, shop.marketplace_shipped)) if value != "off"]


class _CreditedMeanwhile(Exception):
    """Undoes the transaction."""


def _expect_credited(tx: Writing, due: Due) -> None:
    """Asked once the number is taken: whoever wants the next of the series waits for it."""
    if due.credited is not None and len(_credited(tx, due.row.order_id, due.row.package_id)) != due.credited:
        raise _CreditedMeanwhile


def _credited(ledger: Reading, order_id: int, package_id: int) -> list[InvoiceRow]:
    """The credit notes of a package."""
    rows = ledger.of_order(order_id)
    return [row for row in rows if row.kind == "credit_note" and row.package_id == package_id and row.position]


def _taken(tx: Writing, row: InvoiceRow) -> bool:
    """Whether another worker was first."""
    there = tx.of_cause(row.cause)
    return there is not None and (there.id != row.id or there.state is not InvoiceState.HELD)


def _row(stored: StoredOrder, package: PackageRow, kind: Kind, cause: str, now: datetime) -> InvoiceRow:
    return InvoiceRow(
        account=stored.order.account,
        shop=package.shop,
        order_id=stored.order.id,
        package_id=package.id,
        order_key=str(stored.order.key),
        kind=kind,
        cause=cause,
        state=InvoiceState.HELD,
        changed_at=now,
    )


def _recipient(order: Order, package: PackageRow) -> str:
    """The buyer's address, which may be the marketplace's relay; it is used as given."""
    sent = next((one.delivery for one in order.packages if set(one.line_ids) & set(package.line_ids)), None)
    return next((one.email for one in (order.billing, sent) if one is not None and one.email), "")


def _credit_note(invoice: Document, number: str, **how: Any) -> Document:
    return credit(invoice, number=number, **how)


def _wanted(
    document: Document, gone: Credited, back: GivenBack, *, goods: Sequence[str]
) -> tuple[dict[str, int], dict[str, Decimal]]:
    """The pieces or the money of each line that is to be credited: what is given back, less what was credited before."""
    unit = unit_of(document.currency)
    if back.amount is not None and not back.line_id:
        return {}, shared(document, gone, rounded(back.amount, unit))
    pieces = left(document, gone)
    if back.line_id and back.amount is not None and (back.pieces is None or back.line_id in gone.by_money):
        more = rounded(back.amount, unit) - gone.gross.get(back.line_id, Decimal(0))
        return {}, {back.line_id: more} if back.line_id in pieces and more > 0 else {}
    if back.line_id:
        most = pieces.get(back.line_id, 0)
        count = most if back.pieces is None else min(back.pieces - gone.pieces.get(back.line_id, 0), most)
        return {back.line_id: count} if count > 0 else {}, {}
    return {key: count for key, count in pieces.items() if back.shipping or key in goods}, {}


BY_HAND = {
    "refund_amount_unknown": "The marketplace refunded a part, and Lengow tells no amount.",
    "refunded_in_part": "A part of it was given back, and of which lines cannot be said.",
    "cancelled_after_invoice": "It was cancelled at the marketplace after it was invoiced.",
    "credited_by_hand": "It was refunded, and an amount was credited by hand before.",
}


def _for_a_person(code: str, invoice: Document, number: str) -> Document:
    raise InvoiceHeld(
        code,
        f"{BY_HAND[code]} Invoice {invoice.number} stands over {invoice.total} {invoice.currency}.",
        what_to_do=f"`invoices credit {invoice.number} AMOUNT --reason TEXT`, if need be; then `invoices dismiss ID`.",
        number=number,
    )
