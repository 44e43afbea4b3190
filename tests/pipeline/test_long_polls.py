"""A shop that has much to tell is read a while at a time: what its webhooks tell is worked off in between."""

from typing import Any

import msgspec
import pytest

from lengow.connector import lanes
from lengow.connector.adapter import Event, Polled
from lengow.connector.lanes import lanes_of
from lengow.connector.model import EventState, StepKind
from lengow.connector.store.rows import EventRow, NewStep


class Pages:
    """What the shop answers: so many pages of nothing."""

    def __init__(self, merchant: Any, count: int) -> None:
        self.connector, self.count, self.read = merchant.connector, count, list[int]()
        self.connector._context.adapter("b2c").shipments_since = self.page

    def page(self, cursor: str) -> Polled:
        self.read.append(int(cursor or 0))
        number = int(cursor or 0) + 1
        return Polled((), str(number), more=number < self.count)

    def turn(self) -> None:
        """Of the lane that reads the shop and works off its events."""
        [lane] = [one for one in lanes_of(self.connector._context) if one.name == "events-b2c"]
        lane.work(self.connector._context)


def tells(merchant: Any) -> int:
    """A webhook, of something that is not handled; its event's id."""
    event, now = Event("1", "other", raw_kind="x"), merchant.connector.now()
    row = EventRow(0, "b2c", "1", "1", "other", msgspec.to_builtins(event), EventState.RECEIVED, "", "", now)
    with merchant.connector.store.transaction() as tx:
        [event_id] = tx.add_events([row])
        tx.add_steps([NewStep(StepKind.EVENT, str(event_id), now, shop="b2c")])
    return int(event_id)


@pytest.fixture
def pages(merchant: Any) -> Pages:
    merchant.sync()
    merchant.sandbox.advance(minutes=15)
    return Pages(merchant, 4)


def test_what_a_webhook_tells_waits_for_no_long_catch_up(
    merchant: Any, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "POLL_SECONDS", 0.0)
    event_id = tells(merchant)
    pages.turn()
    assert (len(pages.read), str(merchant.connector.store.event(event_id).state)) == (1, "ignored")
    for _ in range(5):
        pages.turn()
    assert pages.read == [0, 1, 2, 3], "it goes on where it was, and then rests"


def test_a_catch_up_ends_after_a_page_where_the_connector_stops(merchant: Any, pages: Pages) -> None:
    merchant.connector._context.stopping.set()
    pages.turn()
    assert pages.read == [0]
    merchant.connector._context.stopping.clear()
    pages.turn()
    assert pages.read == [0, 1, 2, 3]


def test_one_sync_reads_all_of_it(merchant: Any, pages: Pages) -> None:
    merchant.sync()
    assert pages.read == [0, 1, 2, 3]
