"""What happens to an order after it was sold, without the merchant: seen at Lengow after its next collection."""

import pytest

from lengow.sandbox import SandboxError


def seen(api, order_id):
    api.sandbox.advance(minutes=15)
    return api.order(order_id)


def cart(order):
    return [line for package in order["packages"] for line in package["cart"]]


def test_it_is_shipped_in_the_back_office(api):
    order_id = api.sells("multi_line")
    api.sandbox.ship(order_id, carrier="COLISSIMO", tracking_number="6A1", tracking_url="https://track.example.com/6A1")
    assert api.order(order_id)["lengow_status"] == "waiting_shipment", "not collected yet"
    order = seen(api, order_id)
    assert (order["lengow_status"], {line["lengow_status"] for line in cart(order)}) == ("shipped", {"shipped"})
    [tracking] = order["packages"][0]["delivery"]["trackings"]
    assert (tracking["carrier"], tracking["number"], tracking["url"]) == (
        "COLISSIMO",
        "6A1",
        "https://track.example.com/6A1",
    )
    with pytest.raises(SandboxError, match="cannot be shipped"):
        api.sandbox.ship(order_id, carrier="COLISSIMO", tracking_number="6A2")


def test_a_line_is_given_back(api):
    order_id = api.sells("multi_line")
    api.sandbox.ship(order_id, carrier="COLISSIMO", tracking_number="6A1")
    api.sandbox.refund(order_id, line_ids=[f"{order_id}-1"])
    order = seen(api, order_id)
    first, *others = cart(order)
    assert order["lengow_status"] == "shipped", "as its other lines are"
    assert (first["lengow_status"], first["refunded_amount"]) == ("refunded", first["amount"])
    assert {line["refunded_amount"] for line in others} == {None}


def test_all_of_it_is_given_back_before_it_left(api):
    order_id = api.sells("multi_line")
    api.sandbox.refund(order_id)
    assert seen(api, order_id)["lengow_status"] == "refunded"


def test_pieces_are_given_back_up_to_what_was_sold(api):
    order_id = api.sells()
    api.sandbox.amend(order_id, {"quantity": 3})
    api.sandbox.refund(order_id, quantity=1)
    [line] = cart(seen(api, order_id))
    assert float(line["refunded_amount"]) == pytest.approx(float(line["amount"]) / 3, abs=0.01)
    with pytest.raises(SandboxError, match="4 refunded of 3"):
        api.sandbox.refund(order_id, quantity=3)
    with pytest.raises(SandboxError, match="no such lines"):
        api.sandbox.refund(order_id, line_ids=["nobody"])


def test_one_address_is_corrected(api):
    order_id = api.sells("multi_line")
    before = api.order(order_id)
    api.sandbox.amend(order_id, {"billing": {"city": "Nice"}})
    after = seen(api, order_id)
    assert after["billing_address"]["city"] == "Nice"
    assert after["packages"][0]["delivery"]["city"] == before["packages"][0]["delivery"]["city"]
    with pytest.raises(SandboxError, match="town"):
        api.sandbox.amend(order_id, {"delivery": {"town": "Nice"}})
