"""The tables of invoices, on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from test_documents import MIXED, invoice, order

from lengow.connector.errors import StoreError
from lengow.connector.store import open_store
from lengow.invoices.ledger import InvoiceRow, InvoiceState, Ledger

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'lengow.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    yield opened
    opened.close()


def row(cause: str = "package 1", **given: object) -> InvoiceRow:
    made = InvoiceRow(
        account="main",
        shop="b2c",
        order_id=1,
        package_id=1,
        order_key="main/manomano_fr/M1",
        kind="invoice",
        cause=cause,
        state=InvoiceState.TO_MAIL,
        due_at=NOW,
        changed_at=NOW,
    )
    return msgspec.structs.replace(made, **given)


def test_a_row_and_its_document_come_back_as_they_were_kept(ledger: Ledger) -> None:
    document = invoice(order(*MIXED))
    with ledger.transaction() as tx:
        kept = tx.save(row(number="F1", series="F", position=1, message_id="<a@b>", issued_at=NOW))
        tx.save_document(kept.id, document, b"%PDF \x00\xff")
    assert kept.id > 0
    assert ledger.invoice(kept.id) == ledger.numbered("F1") == ledger.of_cause("package 1") == kept
    assert ledger.of_order(1) == ledger.listed(account="main", shop="b2c", states=["to_mail"]) == [kept]
    assert ledger.of_message("<a@b>") == kept
    assert ledger.of_message("") is None
    assert ledger.to_mail("main", NOW) == [kept]
    assert ledger.document(kept.id) == (document, b"%PDF \x00\xff")
    assert ledger.counts() == {("main", InvoiceState.TO_MAIL): 1}
    with ledger.transaction() as tx:
        tx.save(msgspec.structs.replace(kept, state=InvoiceState.MAILED, due_at=None))
        tx.move_cursor("main", 7)
        tx.move_cursor("main", 9)
    assert (ledger.to_mail("main", NOW), ledger.cursor("main"), ledger.cursor("other")) == ([], 9, None)


def test_one_document_a_cause_and_one_a_place_in_a_series(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        tx.save(row(number="F1", series="F", position=1))
    for second in (row(), row("package 2", number="F1", series="F", position=1)):
        with pytest.raises(StoreError), ledger.transaction() as tx:
            tx.save(second)
    with ledger.transaction() as tx:
        tx.save(row("package 3"))
        tx.save(row("package 4"))


def test_positions_have_no_gap_whoever_takes_them_and_fails(url: str) -> None:
    def work(number: int) -> list[int]:
        taken, mine = [], Ledger(url)
        for turn in range(5):
            try:
                with mine.transaction() as tx:
                    position = tx.next_position("F")
                    if turn == number % 5:
                        raise RuntimeError("the document could not be made after all")
                taken.append(position)
            except RuntimeError:
                continue
        mine.close()
        return taken

    Ledger(url).close()
    with ThreadPoolExecutor(4) as pool:
        taken = sorted(position for some in pool.map(work, range(4)) for position in some)
    assert taken == list(range(1, 17))


def test_what_was_shipped_before_a_switch_was_turned_on_is_known(url: str, ledger: Ledger) -> None:
    open_store(url).close()
    switch = ("b2c", False)
    assert ledger.confirmed_in_part(switch) == []
    with ledger.transaction() as tx:
        tx.switch_on(switch, [7])
    assert ledger.switches() == {switch}
    assert [ledger.shipped_before(one) for one in (7, 8)] == [True, False]
    with ledger.transaction() as tx:
        tx.switch_off(switch)
    assert ledger.switches() == set()
