"""An order whose `updated_at` goes backwards is no older reading where Lengow, asked for it alone, says the same."""

from datetime import timedelta
from typing import Any

from told import Told

from lengow.connector.recorder import Recorder


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
