"""Bad input from Lengow: a broken order never stops a page, and each ends where a person can see it."""

import json
from typing import Any

import pytest

from lengow.connector.decode import decode_order
from lengow.connector.recorder import Recorder


@pytest.mark.parametrize(
    ("overrides", "state"),
    [
        pytest.param({"total_order": "a lot"}, ("failed", "order_undecodable"), id="amount is a word"),
        pytest.param({"total_order": "NaN"}, ("failed", "order_undecodable"), id="amount is not a number"),
        pytest.param({"total_order": "1e999999"}, ("failed", "order_undecodable"), id="amount of a million digits"),
        pytest.param({"packages": "none"}, ("failed", "order_undecodable"), id="packages is a text"),
        pytest.param({"marketplace_order_date": "soon"}, ("failed", "order_undecodable"), id="date is a word"),
        pytest.param({"lengow_status": 7}, ("failed", "order_undecodable"), id="status is a number"),
        pytest.param({"packages": []}, ("skipped", "no_lines"), id="no packages"),
        pytest.param({"total_order": -1}, ("failed", "no_exchange_rate"), id="total is -1"),
        pytest.param({"total_order": -5}, ("failed", "negative_amount"), id="total is negative"),
        pytest.param({"shipping": "-4.90"}, ("failed", "negative_amount"), id="shipping is negative"),
        pytest.param({"currency": {"iso_a3": "XYZ"}}, ("failed", "unknown_currency"), id="unknown currency"),
        pytest.param({"currency": None}, ("failed", "unknown_currency"), id="no currency"),
        pytest.param(
            {"packages": [{"delivery": {"common_country_iso_a2": None}}]},
            ("failed", "no_delivery_country"),
            id="no delivery country",
        ),
        pytest.param({"packages": [{"cart": [{"quantity": 0}]}]}, ("failed", "invalid_quantity"), id="quantity 0"),
        pytest.param(
            {"packages": [{"cart": [{"amount": "-1.00"}]}]}, ("failed", "negative_amount"), id="line amount negative"
        ),
        pytest.param({"lengow_status": "pickup_to_prepare"}, ("waiting", "not_yet_importable"), id="status not ours"),
        pytest.param({"anonymized": True}, ("skipped", "anonymized"), id="anonymised"),
    ],
)
def test_it_is_kept_with_its_reason_and_the_page_goes_on(
    merchant: Any, overrides: dict[str, Any], state: tuple[str, str]
) -> None:
    good = merchant.sandbox.sell(merchant.account.account_id, 2, {"standard": 2})
    bad = merchant.sells_raw(overrides)
    merchant.sync()
    assert sorted(merchant.in_shop()) == sorted(good)
    assert merchant.state(bad) == state
    assert merchant.record(bad).raw


@pytest.mark.parametrize(
    "remove", ["lengow_status", "total_order", "packages.0.cart.0.amount", "packages.0.cart.0.quantity", "updated_at"]
)
def test_a_missing_field_is_named(merchant: Any, remove: str) -> None:
    bad = merchant.sells_raw(remove=[remove])
    merchant.sync()
    assert merchant.state(bad) == ("failed", "order_undecodable")
    assert remove.rsplit(".", 1)[-1] in merchant.order(bad).order.about


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"order"', b"{}", b'{"marketplace": 3}', b'{"\xff": 1}'])
def test_what_is_no_order_at_all_is_kept_as_it_came(merchant: Any, raw: bytes) -> None:
    good = merchant.sandbox.sell(merchant.account.account_id, 1, {"standard": 1})
    merchant.sells_raw(raw_bytes=raw)
    merchant.sync()
    assert merchant.in_shop() == good
    [broken] = [one for one in merchant.orders() if one.order.state == "failed"]
    assert (broken.order.reason, merchant.record(broken.order.marketplace_order_id).raw) == ("order_undecodable", raw)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        pytest.param("Zoë 🛠️", "Zoë 🛠️", id="emoji"),
        pytest.param("𠜎𠜱 王", "𠜎𠜱 王", id="4-byte"),
        pytest.param("שלום مرحبا", "שלום مرحبا", id="right to left"),
        pytest.param("An\x00na\x1b[31m\x7f", "Anna[31m", id="control characters are taken out"),
        pytest.param("Ann" * 3334, "Ann" * 3334, id="10,000 characters"),
        pytest.param("'; DROP TABLE shop_orders; --", "'; DROP TABLE shop_orders; --", id="SQL"),
    ],
)
def test_names_come_through(merchant: Any, name: str, kept: str) -> None:
    order_id = merchant.sells_raw({"packages": [{"delivery": {"first_name": name}}]})
    merchant.sync()
    assert merchant.rows("SELECT delivery_first_name, marketplace_order_id FROM shop_orders") == [(kept, order_id)]


def test_a_date_without_zone_is_taken_as_utc(merchant: Any) -> None:
    today = merchant.sandbox.now().date().isoformat()
    merchant.sells_raw({"marketplace_order_date": f"{today}T08:15:00"})
    merchant.sync()
    assert merchant.rows("SELECT ordered_at FROM shop_orders") == [(f"{today}T08:15:00+00:00",)]


def test_two_lines_of_one_id_are_a_failed_order(merchant: Any) -> None:
    line = {"marketplace_order_line_id": "same", "quantity": 1, "amount": "5.00"}
    bad = merchant.sells_raw({"packages": [{"cart": [line, line]}]})
    merchant.sync()
    assert merchant.state(bad) == ("failed", "duplicate_line")


def test_mended_to_what_it_was_before_it_is_decided_again(make_merchant: Any) -> None:
    merchant = make_merchant(options={"products_table": "products"})
    merchant.run("CREATE TABLE products (sku TEXT, stock INTEGER)")
    [order_id] = merchant.sells()
    merchant.sync()
    recorder, good = Recorder(merchant.connector._context, "main"), merchant.record(order_id).raw
    recorder.record([json.dumps(json.loads(good) | {"total_order": None}).encode()])
    assert merchant.state(order_id) == ("failed", "order_undecodable")
    recorder.record([good])
    assert merchant.state(order_id)[0] == "ready"


def test_a_fault_of_ours_on_one_order_stops_no_other(merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = merchant.sells(2)

    def decode(raw: bytes) -> Any:
        if bad.encode() in raw:
            raise ZeroDivisionError("a fault of ours")
        return decode_order(raw)

    monkeypatch.setattr("lengow.connector.incoming.decode_order", decode)
    merchant.sync()
    assert merchant.in_shop() == [good]
    assert merchant.state(bad) == ("failed", "order_undecodable")


def test_a_record_without_a_name_is_one_order_however_often_it_is_read(merchant: Any) -> None:
    merchant.sells_raw(remove=["marketplace_order_id"])
    for _ in range(3):
        merchant.sync()
    assert len([one for one in merchant.orders() if one.order.state == "failed"]) == 1


def test_nesting_beyond_reading_leaves_the_window_open_and_says_so(merchant: Any) -> None:
    merchant.sells_raw(raw_bytes=b"[" * 5000 + b"]" * 5000)
    assert merchant.sync().imported.error.code == "lengow_malformed"


class TestOneThatSpoilsItsPage:
    """Not even its page is JSON. It is alone in that."""

    @staticmethod
    def spoilt(merchant: Any) -> None:
        merchant.sells_raw(raw_bytes=b"[" * 5000 + b"]" * 5000)

    def test_the_others_of_the_page_come_in(self, merchant: Any) -> None:
        ids = merchant.sells(3)
        self.spoilt(merchant)
        ids += merchant.sells(2)
        assert merchant.sync().imported.error.code == "lengow_malformed"
        assert sorted(merchant.in_shop()) == sorted(ids)

    def test_several_side_by_side_keep_none_of_the_others_out(self, merchant: Any) -> None:
        """Such as those of one buyer."""
        for _ in range(3):
            self.spoilt(merchant)
        ids = merchant.sells(5)
        for _ in range(3):
            self.spoilt(merchant)
        assert merchant.sync().imported.error.code == "lengow_malformed"
        assert sorted(merchant.in_shop()) == sorted(ids)

    def test_those_of_later_weeks_come_in_at_once(self, merchant: Any) -> None:
        merchant.sync()
        self.spoilt(merchant)
        merchant.sandbox.advance(days=10)
        merchant.sync()
        ids = merchant.sells(2)
        assert merchant.sync().imported.error.code == "lengow_malformed"
        assert sorted(merchant.in_shop()) == sorted(ids)


def test_a_broken_amendment_keeps_the_last_readable_record(merchant: Any) -> None:
    order_id = merchant.sells_raw({"comments": "first"})
    merchant.sync()
    record = json.loads(merchant.record(order_id).raw) | {"total_order": "a lot", "updated_at": "2030-01-01T00:00:00Z"}
    Recorder(merchant.connector._context, "main").record([json.dumps(record).encode()])
    stored = merchant.order(order_id)
    assert stored.order.state == "created"
    assert json.loads(merchant.record(order_id).unreadable)["total_order"] == "a lot"
    assert merchant.connector.ship("main", "manomano_fr", order_id, carrier="DPD", tracking_number="1")
