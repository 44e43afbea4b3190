"""An order whose `updated_at` goes backwards is no older reading where Lengow, asked for it alone, says the same."""

import json
from datetime import timedelta
from typing import Any

import pytest
from told import ORDERS, Told

from lengow.connector.recorder import Recorder
from lengow.sandbox import Fault


def earlier(told: Told, **ago: float) -> str:
    moment = told.merchant.sandbox.now() - timedelta(**ago)
    return str(moment.isoformat())


def test_it_comes_in_all_the_same(merchant: Any) -> None:
    told = Told(merchant, raw={"lengow_status": "waiting_acceptance"})
    assert told.state == ("waiting", "waiting_acceptance")
    told.says("waiting_shipment", updated_at=earlier(told, minutes=30))
    assert told.state == ("created", "")


def test_what_was_cancelled_so_is_cancelled_in_the_shop(merchant: Any) -> None:
    told = Told(merchant)
    told.says("canceled", updated_at=earlier(told, days=2))
    assert told.in_shop[0] == "cancelled"


@pytest.mark.parametrize(
    ("status", "body", "tries"), [(404, "{}", 1), (200, "no JSON", 4), (200, '{"count": 0, "results": []}', 1)]
)
def test_one_that_cannot_be_read_alone_keeps_no_other_out(merchant: Any, status: int, body: str, tries: int) -> None:
    """The window stays open, so that it is tried again."""
    [number] = merchant.sells()
    merchant.sync()
    record = json.loads(merchant.record(number).raw)
    others = [{**record, "marketplace_order_id": f"X{count}", "merchant_order_id": None} for count in range(120)]
    record |= {"comments": "dated back", "updated_at": (merchant.sandbox.now() - timedelta(days=2)).isoformat()}
    merchant.sandbox.advance(minutes=15)

    def answers(page: int, after: int, results: list[Any]) -> None:
        told = json.dumps({"count": 121, "next": None, "previous": None, "results": results})
        merchant.sandbox.fault(Fault("status", path=ORDERS, page=page, after=after, exact=True, status=200, body=told))

    def refuses(after: int) -> None:
        merchant.sandbox.fault(
            Fault("status", path=ORDERS, page=1, after=after, times=tries, exact=True, status=status, body=body)
        )

    answers(1, 0, [record, *others[:99]])
    refuses(1)
    answers(2, 0, others[99:])
    answers(1, 1 + tries, [record, *others[:99]])
    refuses(2 + tries)
    assert merchant.sync().imported.error is not None
    assert len(merchant.in_shop()) == 121
    merchant.sandbox.advance(minutes=15)
    assert merchant.sync().imported.error is None


def test_it_is_read_alone_only_once(merchant: Any) -> None:
    told = Told(merchant)
    told.says("canceled", updated_at=earlier(told, days=2))
    before = len(merchant.journal(told.order_id))
    told.says(updated_at=earlier(told, days=2))
    assert len(merchant.journal(told.order_id)) == before


def test_a_page_that_was_read_before_another_worker_read_it_anew_is_not_believed(merchant: Any) -> None:
    """What Lengow says of it alone is the newer, and stands."""
    told = Told(merchant)
    old = merchant.record(told.order_id).raw
    told.says(comments="newer")
    recorded = Recorder(merchant.connector.context, "main").record([old])
    assert recorded.dated_back == {("manomano_fr", told.order_id)}
    assert merchant.record(told.order_id).raw != old
