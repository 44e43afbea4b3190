"""An invoice for what has gone out: once, numbered without gaps, to the cent of what was paid."""

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pypdf
import pytest
from facturx import get_facturx_xml_from_pdf
from lxml import etree
from mail_server import MailServer
from selling import invoicing

from lengow.connector.errors import OrderUnknown
from lengow.connector.mail import Mail
from lengow.invoices import InvoiceHeld, Invoices, InvoiceState, issuing
from lengow.invoices.issuing import Issuer
from lengow.invoices.ledger import Ledger
from lengow.invoices.settings import invoice_settings

NO_EMAIL = {"billing_address": {"email": None}, "packages": [{"delivery": {"email": None}}]}
REFUND = {"refund_reason": "DAMAGED", "refund_shipping_fees": "true"}

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def confirmed(merchant: Any, order_id: str, **options: Any) -> None:
    """The merchant ships it, and the marketplace takes that."""
    merchant.connector.ship("main", "manomano_fr", order_id, carrier="COLISSIMO", tracking_number="6A1", **options)
    settle(merchant)


def settle(merchant: Any) -> None:
    merchant.sync()
    merchant.sandbox.advance(hours=1)
    merchant.sync()


def sold(merchant: Any, count: int = 1, **options: Any) -> list[str]:
    ids: list[str] = merchant.sells(count, **options)
    merchant.sync()
    return ids


def invoices(merchant: Any) -> list[Any]:
    """The oldest first."""
    with Invoices(merchant.connector) as door:
        return door.listed(limit=1000)[::-1]


def document(merchant: Any, row: Any) -> Any:
    with Invoices(merchant.connector) as door:
        return door.document(row.id)


class TestAtShipment:
    def test_no_invoice_before_the_shipment_and_one_after(self, seller: Any) -> None:
        [order_id] = sold(seller)
        settle(seller)
        assert invoices(seller) == []
        confirmed(seller, order_id)
        [row] = invoices(seller)
        assert (row.kind, row.number, row.total, row.currency) == ("invoice", "F2026-000001", row.total, "EUR")
        assert Decimal(row.total) == Decimal(seller.order(order_id).order.total)
        settle(seller)
        assert len(invoices(seller)) == 1
        assert "invoiced" in seller.journal(order_id)

    def test_the_pdf_holds_its_factur_x_over_the_same_money(self, seller: Any) -> None:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        [row] = invoices(seller)
        with Invoices(seller.connector) as door:
            pdf = door.pdf(row.id)
        text = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
        assert "F2026-000001" in text
        assert order_id in text
        assert "Outillage Martin" in text
        assert "732829320" in text
        _, xml = get_facturx_xml_from_pdf(pdf, check_xsd=True)
        root = etree.fromstring(xml)
        assert root.findtext(f".//{RAM}GrandTotalAmount") == row.total
        assert root.findtext(f".//{RAM}DuePayableAmount") == "0.00"
        assert root.findtext(f".//{RAM}BuyerOrderReferencedDocument/{RAM}IssuerAssignedID") == order_id

    def test_lines_that_are_shipped_one_by_one_are_invoiced_with_the_last(self, seller: Any) -> None:
        [order_id] = sold(seller, kind="multi_line")
        lines = [
            line.id for line in seller.connector.store.models([seller.order(order_id).order.id]).popitem()[1].lines
        ]
        assert len(lines) > 1
        confirmed(seller, order_id, line_ids=lines[:1])
        assert invoices(seller) == []
        for line in lines[1:]:
            confirmed(seller, order_id, line_ids=[line])
        [row] = invoices(seller)
        assert {line.id for line in document(seller, row).lines} >= set(lines)

    def test_what_was_shipped_elsewhere_is_invoiced_too(self, seller: Any) -> None:
        [order_id] = sold(seller)
        seller.sandbox.ship(order_id, carrier="Colissimo", tracking_number="6A9")
        seller.sandbox.advance(minutes=30)
        settle(seller)
        assert len(invoices(seller)) == 1

    def test_what_was_shipped_before_it_was_switched_on_is_not_invoiced(
        self, make_merchant: Callable[..., Any], make_seller: Callable[..., Any]
    ) -> None:
        seller = make_seller(shop={"send": "off"})
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        assert invoices(seller) == []

    def test_it_is_not_invoiced_either_when_something_happens_to_it_later(
        self, make_merchant: Callable[..., Any], server: MailServer
    ) -> None:
        seller = make_merchant(name="main")
        by_lengow, by_us = sold(seller, 2)
        seller.sandbox.ship(by_lengow, carrier="Colissimo", tracking_number="6A9")
        settle(seller)
        seller.sandbox.configure(answer_minutes=0)
        confirmed(seller, by_us)
        mail = Mail(host="127.0.0.1", port=server.port, security="none", sender="Martin <shop@martin.example>")
        seller.restart(sections=invoicing(), mail=mail)
        seller.sync()
        for order_id in (by_lengow, by_us):
            seller.sandbox.amend(order_id, {"comments": "Ring twice"})
        settle(seller)
        assert "amended" in seller.journal(by_lengow)
        assert invoices(seller) == []
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        assert len(invoices(seller)) == 1

    def test_of_what_is_cancelled_there_is_none_and_what_it_carried_stands_on_the_next(self, seller: Any) -> None:
        [order_id] = sold(seller, kind="multi_package")
        packages = seller.order(order_id).packages
        [carrier] = [one for one in packages if one.carries_shipping]
        others = [one for one in packages if not one.carries_shipping]
        seller.sandbox.amend(order_id, {"shipping": "5.00"})
        settle(seller)
        seller.sandbox.cancel(order_id, line_ids=list(carrier.line_ids))
        settle(seller)
        confirmed(seller, order_id, line_ids=[line for one in others for line in one.line_ids])
        settle(seller)
        assert seller.order(order_id).order.status == "shipped"
        first, *more = [{line.id for line in document(seller, row).lines} for row in invoices(seller)]
        assert [first, *more] == [{*others[0].line_ids, "shipping"}, *(set(one.line_ids) for one in others[1:])]

    def test_one_that_cannot_be_made_stops_no_other_and_is_tried_again(
        self, seller: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = sold(seller, 2)
        render = issuing.render

        def breaking(document: Any, about_the_seller: Any) -> bytes:
            if document.order_number == bad:
                raise RuntimeError("no such glyph")
            return render(document, about_the_seller)

        monkeypatch.setattr(issuing, "render", breaking)
        confirmed(seller, bad)
        confirmed(seller, good)
        held, issued = invoices(seller)
        assert (held.state, held.reason, held.number) == (InvoiceState.HELD, "not_made", "")
        assert issued.number == "F2026-000001"
        monkeypatch.undo()
        settle(seller)
        assert [row.number for row in invoices(seller)] == ["F2026-000002", "F2026-000001"]

    def test_orders_that_the_marketplace_ships_have_their_own_switch(self, make_seller: Callable[..., Any]) -> None:
        seller = make_seller(shop={"marketplace_shipped": "off"})
        seller.restart(import_orders_shipped_by_marketplaces=True)
        sold(seller, kind="fulfilment")
        settle(seller)
        assert seller.in_shop()
        assert invoices(seller) == []
        other = make_seller(name="main", shop={"send": "off", "marketplace_shipped": "on_shipment"})
        other.restart(import_orders_shipped_by_marketplaces=True)
        sold(other, kind="fulfilment")
        settle(other)
        assert len(invoices(other)) == 1

    def test_what_the_marketplace_bills_is_never_invoiced(self, make_seller: Callable[..., Any]) -> None:
        seller = make_seller(shop={"billed_by_marketplace": ["manomano_fr"]})
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        assert invoices(seller) == []


class TestNumbers:
    def test_they_have_no_gap_though_some_are_held_and_many_issue_at_once(self, seller: Any) -> None:
        ids = sold(seller, 12)
        broken = [seller.sells_raw({"total_order": 1, "total_tax": 0}) for _ in range(2)]
        seller.sync()
        seller.restart(sections={})  # the rounds do not issue; the workers below do
        for order_id in [*ids, *broken]:
            seller.connector.ship("main", "manomano_fr", order_id, carrier="COLISSIMO", tracking_number=order_id)
        settle(seller)
        order_ids = [seller.order(order_id).order.id for order_id in [*ids, *broken]]
        from selling import invoicing

        seller.restart(sections=invoicing(shop={"mail": False}))
        settings = invoice_settings(seller.connector.settings)
        assert settings is not None

        def work(_: int) -> int:
            ledger = Ledger(seller.connector.settings.store.url)
            issuer = Issuer(seller.connector.context, ledger, settings, "main")
            done = sum(issuer.issue(order_id) for order_id in order_ids)
            ledger.close()
            return done

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(work, range(4))) == len(ids)
        numbered = [row for row in invoices(seller) if row.position]
        assert sorted(row.position for row in numbered) == list(range(1, len(ids) + 1))
        assert len({row.order_key for row in numbered}) == len(ids)
        assert [row.reason for row in invoices(seller) if not row.position] == ["totals_differ"] * 2

    def test_a_process_killed_while_it_issues_leaves_no_gap(self, seller: Any) -> None:
        [first, second] = sold(seller, 2)
        seller.restart(sections={})
        for order_id in (first, second):
            seller.connector.ship("main", "manomano_fr", order_id, carrier="COLISSIMO", tracking_number=order_id)
        settle(seller)
        killed = f"""
import os, signal
from lengow.invoices.ledger import Ledger
ledger = Ledger({seller.connector.settings.store.url!r})
with ledger.transaction() as tx:
    assert tx.next_position("F2026-000000") == 1
    os.kill(os.getpid(), signal.SIGKILL)
"""
        assert subprocess.run([sys.executable, "-c", killed], timeout=60).returncode == -9
        from selling import invoicing

        seller.restart(sections=invoicing(shop={"mail": False}))
        settings = invoice_settings(seller.connector.settings)
        assert settings is not None
        ledger = Ledger(seller.connector.settings.store.url)
        issuer = Issuer(seller.connector.context, ledger, settings, "main")
        assert sum(issuer.issue(seller.order(order_id).order.id) for order_id in (first, second)) == 2
        ledger.close()
        assert [row.number for row in invoices(seller)] == ["F2026-000001", "F2026-000002"]

    def test_the_year_of_the_number_is_that_of_the_date_though_midnight_passes_between(
        self, seller: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        [order_id] = sold(seller)
        old, new = date(2026, 12, 31), date(2027, 1, 1)
        for days in ([old, new], [old, old, new]):
            left = iter(days)
            last = days[-1]
            monkeypatch.setattr(Issuer, "_today", lambda _self, left=left, last=last: next(left, last))
            if not invoices(seller):
                confirmed(seller, order_id)
            else:
                with Invoices(seller.connector) as door:
                    door.credit(invoices(seller)[0].id, Decimal(1), reason="scratch")
        for row in invoices(seller):
            assert f"{document(seller, row).issued_on.year}-" in row.number

    def test_processes_that_issue_at_once_leave_no_gap(self, seller: Any) -> None:
        """Two processes on one database, several series: each is counted for itself."""
        seller.connector.store.close()
        worker = f"""
import sys
from datetime import UTC, datetime
from lengow.invoices.ledger import InvoiceRow, InvoiceState, Ledger
ledger = Ledger({seller.connector.settings.store.url!r})
for number in range(60):
    series = f"S{{number % 3}}"
    try:
        with ledger.transaction() as tx:
            position = tx.next_position(series)
            tx.save(InvoiceRow(account="main", shop="b2c", order_id=1, package_id=1, order_key="k", kind="invoice",
                cause=f"{{sys.argv[1]}} {{number}}", number=f"{{series}}-{{position}}", series=series, position=position,
                state=InvoiceState.ISSUED, changed_at=datetime.now(UTC)))
            if number % 7 == 0:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
"""
        running = [subprocess.Popen([sys.executable, "-c", worker, name]) for name in ("a", "b")]
        assert [one.wait(300) for one in running] == [0, 0]
        ledger = Ledger(seller.connector.settings.store.url)
        rows = ledger.listed(limit=1000)
        ledger.close()
        assert len(rows) == 2 * (60 - 9)
        for series in ("S0", "S1", "S2"):
            positions = sorted(row.position for row in rows if row.series == series)
            assert positions == list(range(1, len(positions) + 1))

    def test_each_pattern_is_a_series_and_each_year_begins_anew(self, make_seller: Callable[..., Any]) -> None:
        seller = make_seller(shop={"number": "WEB-{year}-{n}", "credit_note_number": "AV-{year}-{n}"})
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        seller.sandbox.advance(days=50)
        [next_year] = sold(seller)
        confirmed(seller, next_year)
        assert [row.number for row in invoices(seller)] == ["WEB-2026-1", "WEB-2027-1"]


class TestHeld:
    def test_totals_that_do_not_add_up_are_held_with_the_difference_until_mended(self, seller: Any) -> None:
        order_id = seller.sells_raw({"total_order": 1, "total_tax": 0})
        seller.sync()
        confirmed(seller, order_id)
        [row] = invoices(seller)
        assert (row.state, row.reason, row.number) == (InvoiceState.HELD, "totals_differ", "")
        model = seller.connector.store.models([row.order_id])[row.order_id]
        sums = sum((line.amount for line in model.lines), model.shipping + model.processing_fee)
        assert f"{1 - sums:+} EUR" in row.about
        with Invoices(seller.connector) as door:
            assert [one.id for one in door.for_a_person("main")] == [row.id]
            assert door.retry(row.id).state is InvoiceState.HELD
        assert seller.journal(order_id).count("invoice_held") == 1, "the same reason is told once"

    def test_an_order_without_address_of_the_buyer_is_issued_and_waits_for_one(self, seller: Any) -> None:
        order_id = seller.sells_raw(NO_EMAIL)
        seller.sync()
        confirmed(seller, order_id)
        [row] = invoices(seller)
        assert (row.state, row.reason) == (InvoiceState.MAIL_FAILED, "no_email")
        with Invoices(seller.connector) as door:
            with pytest.raises(InvoiceHeld, match="no address"):
                door.resend(row.id)
            door.resend(row.id, to="buyer@example.com", who="anna")
        seller.sync()
        [row] = invoices(seller)
        assert (row.state, row.recipient) == (InvoiceState.MAILED, "buyer@example.com")

    def test_a_held_invoice_can_be_dismissed_with_a_reason(self, seller: Any) -> None:
        order_id = seller.sells_raw({"total_order": 1, "total_tax": 0})
        seller.sync()
        confirmed(seller, order_id)
        [row] = invoices(seller)
        with Invoices(seller.connector) as door:
            door.dismiss(row.id, "billed by hand", who="anna")
            assert door.for_a_person("main") == []
        settle(seller)
        assert [one.state for one in invoices(seller)] == [InvoiceState.DISMISSED]

    def test_without_the_tax_a_default_rate_is_needed(self, make_seller: Callable[..., Any]) -> None:
        seller = make_seller()
        order_id = seller.sells_raw({"total_tax": None, "packages": [{"cart": [{"tax": None}]}]})
        seller.sync()
        confirmed(seller, order_id)
        [row] = invoices(seller)
        assert (row.state, row.reason) == (InvoiceState.HELD, "vat_unknown")
        assert "default_vat_rates.FR" in row.about
        from selling import invoicing

        seller.restart(sections=invoicing(default_vat_rates={"FR": 20}))
        with Invoices(seller.connector) as door:
            assert door.retry(row.id).number == "F2026-000001"


class TestCreditNotes:
    def test_a_confirmed_refund_is_credited_whole(self, seller: Any) -> None:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        seller.connector.refund("main", "manomano_fr", order_id, arguments=REFUND)
        settle(seller)
        settle(seller)
        [invoice, note] = invoices(seller)
        assert (note.kind, note.number, note.total) == ("credit_note", "A2026-000001", invoice.total)
        assert document(seller, note).corrects.number == invoice.number
        settle(seller)
        assert len(invoices(seller)) == 2, "the refund seen again at Lengow is the same one"

    def test_a_refunded_line_is_credited_alone_and_the_rest_with_the_rest(self, seller: Any) -> None:
        [order_id] = sold(seller, kind="multi_line")
        confirmed(seller, order_id)
        [invoice] = invoices(seller)
        lines = [line for line in document(seller, invoice).lines if line.sku]
        seller.connector.refund("main", "manomano_fr", order_id, arguments=REFUND, line_ids=[lines[0].id])
        settle(seller)
        [_, first] = invoices(seller)
        assert [line.id for line in document(seller, first).lines] == [lines[0].id]
        assert Decimal(first.total) == lines[0].gross
        seller.sandbox.refund(order_id)
        seller.sandbox.advance(minutes=30)
        settle(seller)
        notes = [row for row in invoices(seller) if row.kind == "credit_note"]
        assert sum(Decimal(row.total) for row in notes) == Decimal(invoice.total)

    def test_credited_by_several_at_once_it_is_never_more_than_the_invoice(self, seller: Any) -> None:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        [invoice] = invoices(seller)
        amount = (Decimal(invoice.total) * 3 / 4).quantize(Decimal("0.01"))

        def credit(reason: str) -> str:
            with Invoices(seller.connector) as door:
                try:
                    return door.credit(invoice.id, amount, reason=reason).number
                except InvoiceHeld as held:
                    return held.code

        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(credit, ["broken", "late", "wrong"]))
        assert sorted(done) == ["A2026-000001", "credit_too_high", "credit_too_high"]

    @pytest.mark.parametrize(
        ("happens", "reason"),
        [
            (lambda sandbox, order_id, line: sandbox.cancel(order_id, line_ids=[line]), "cancelled_after_invoice"),
            (lambda sandbox, order_id, _line: sandbox.cancel(order_id), "cancelled_after_invoice"),
        ],
        ids=["line cancelled", "all cancelled"],
    )
    def test_what_tells_no_amount_waits_for_a_person(self, seller: Any, happens: Any, reason: str) -> None:
        [order_id] = sold(seller, kind="multi_line")
        confirmed(seller, order_id)
        [invoice] = invoices(seller)
        line = next(line for line in document(seller, invoice).lines if line.sku)
        happens(seller.sandbox, order_id, line.id)
        seller.sandbox.advance(minutes=30)
        settle(seller)
        [_, held] = invoices(seller)
        assert (held.kind, held.state, held.reason) == ("credit_note", InvoiceState.HELD, reason)
        assert invoice.number in held.about
        with Invoices(seller.connector) as door:
            door.credit(invoice.id, line.gross, reason=order_id, who="anna")
            door.dismiss(held.id, "credited", who="anna")
        settle(seller)
        assert [row.state for row in invoices(seller)].count(InvoiceState.HELD) == 0

    def test_what_was_refunded_elsewhere_is_credited_by_line_and_by_pieces_once(self, seller: Any) -> None:
        [order_id] = sold(seller, kind="multi_line")
        confirmed(seller, order_id)
        [invoice] = invoices(seller)
        line = next(line for line in document(seller, invoice).lines if line.sku)
        seller.connector.refund("main", "manomano_fr", order_id, arguments=REFUND, line_ids=[line.id])
        settle(seller)
        settle(seller)
        other = next(one for one in document(seller, invoice).lines if one.sku and one.id != line.id)
        seller.sandbox.refund(order_id, line_ids=[other.id])
        seller.sandbox.advance(minutes=30)
        settle(seller)
        notes = [document(seller, row) for row in invoices(seller) if row.kind == "credit_note"]
        assert [[one.id for one in note.lines] for note in notes] == [[line.id], [other.id]]
        assert sum(note.total for note in notes) == line.gross + other.gross

    def test_what_never_went_out_and_was_refunded_is_not_invoiced(self, seller: Any) -> None:
        [order_id] = sold(seller)
        seller.sandbox.refund(order_id)
        seller.sandbox.advance(minutes=30)
        settle(seller)
        assert invoices(seller) == []

    def test_a_refund_after_a_credit_by_hand_waits_for_a_person(self, seller: Any) -> None:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        [invoice] = invoices(seller)
        with Invoices(seller.connector) as door:
            door.credit(invoice.id, Decimal("1.00"), reason="scratch", who="anna")
        seller.connector.refund("main", "manomano_fr", order_id, arguments=REFUND)
        settle(seller)
        assert "credited_by_hand" in [row.reason for row in invoices(seller)]

    def test_an_amount_is_credited_by_hand_and_never_more_than_the_invoice(self, seller: Any) -> None:
        [order_id] = sold(seller)
        confirmed(seller, order_id)
        [invoice] = invoices(seller)
        total = Decimal(invoice.total)
        with Invoices(seller.connector) as door:
            note = door.credit(invoice.id, Decimal("1.00"), reason="scratch", who="anna")
            assert note.total == "1.00"
            with pytest.raises(InvoiceHeld) as twice:
                door.credit(invoice.id, Decimal("1.00"), reason="scratch")
            assert twice.value.code == "already_credited"
            with pytest.raises(InvoiceHeld) as more:
                door.credit(invoice.id, total, reason="all")
            assert more.value.code == "credit_too_high"
            door.credit(invoice.id, total - 1, reason="rest")


class TestPreview:
    def test_it_shows_what_would_be_and_takes_no_number(self, seller: Any, server: MailServer) -> None:
        [order_id] = sold(seller)
        with Invoices(seller.connector) as door:
            [(shown, pdf)] = door.preview("main", "manomano_fr", order_id)
        assert shown.number == "PREVIEW"
        assert pdf.startswith(b"%PDF")
        assert (invoices(seller), server.mails) == ([], [])
        confirmed(seller, order_id)
        assert [row.number for row in invoices(seller)] == ["F2026-000001"]

    def test_a_dry_run_shows_what_the_next_round_issues_and_holds(self, seller: Any) -> None:
        [order_id] = sold(seller)
        wrong = seller.sells_raw({"total_order": 1, "total_tax": 0})
        seller.sync()
        switched_on = seller.options["sections"]
        seller.restart(sections={})
        for one in (order_id, wrong):
            seller.connector.ship("main", "manomano_fr", one, carrier="COLISSIMO", tracking_number="1")
        settle(seller)
        seller.restart(sections=switched_on)
        with Invoices(seller.connector) as door:
            due = {row.order_key: (row.state, row.reason) for row in door.due("main")}
        assert due == {
            f"main/manomano_fr/{order_id}": (InvoiceState.ISSUED, ""),
            f"main/manomano_fr/{wrong}": (InvoiceState.HELD, "totals_differ"),
        }
        assert invoices(seller) == []
        seller.sync()
        assert {row.order_key: row.reason for row in invoices(seller)} == {key: due[key][1] for key in due}

    def test_an_unknown_order_is_said_so(self, seller: Any) -> None:
        with Invoices(seller.connector) as door, pytest.raises(OrderUnknown):
            door.preview("main", "manomano_fr", "M0")
