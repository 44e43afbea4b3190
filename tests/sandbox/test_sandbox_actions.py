"""Actions: what Lengow takes, what the marketplace then says, and how an order moves."""

import pytest

TRACKED = {"carrier_name": "Chronopost", "tracking_url": "https://example.com/t/1"}


def outcome(api, action_id):
    [action] = [one for one in api.get("/v3.0/orders/actions/").json()["results"] if one["id"] == action_id]
    return action["queued"], action["processed"], action["errors"]


def test_a_shipment_is_queued_then_taken_and_the_order_moves(api, sandbox):
    order_id = api.sells()
    answer = api.ship(order_id, tracking_url="https://example.com/t/T1")
    assert answer.status_code == 201
    action = answer.json()
    assert (action["queued"], action["processed"], action["errors"]) == (True, False, "")
    assert (action["carrier"], action["line"], action["reason"]) == ("DPD", None, None)
    sandbox.advance(minutes=15)
    assert outcome(api, action["id"]) == (False, True, "")
    order = api.order(order_id)
    assert (order["lengow_status"], order["marketplace_status"]) == ("shipped", "SHIPPED")
    tracking = order["packages"][0]["delivery"]["trackings"][0]
    assert (tracking["number"], tracking["carrier"], tracking["url"]) == ("T1", "DPD", "https://example.com/t/T1")
    assert sandbox.ledger().told[0].outcome == "confirmed"


def test_waiting_at_lengow_and_at_the_marketplace_can_be_longer(api, sandbox):
    sandbox.configure(queue_minutes=20, answer_minutes=15)
    action_id = api.ship(api.sells()).json()["id"]
    seen = []
    for _ in range(3):
        sandbox.advance(minutes=15)
        api.log_in()
        seen.append(outcome(api, action_id)[:2])
    assert seen == [(True, False), (False, False), (False, True)]


def test_json_is_taken_as_well_as_a_form(api, sandbox):
    body = api.action(api.sells(), "ship", carrier="DPD", tracking_number=12345)
    answer = api.post("/v3.0/orders/actions", json=body)
    assert (answer.status_code, answer.json()["tracking_number"]) == (201, "12345")
    answer = api.post("/v3.0/orders/actions", data=b"<a/>", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"carrier": ""}, "carrier"),
        ({"carrier": "Pigeon"}, "carrier"),
        ({"tracking_number": ""}, "tracking_number"),
        ({"colour": "blue"}, "colour"),
        ({"line": "M1-9"}, "line"),
        ({"marketplace": ""}, "marketplace"),
        ({"action_type": "send"}, "action_type"),
        ({"action_type": "cancel"}, "action_type"),
        ({"action_type": "accept"}, "action_type"),
    ],
)
def test_lengow_refuses_at_once(api, sandbox, arguments, field):
    action = api.action(api.sells(), "ship", carrier="DPD", tracking_number="T1")
    answer = api.post("/v3.0/orders/actions/", data={**action, **arguments})
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert isinstance(answer.json()[field][0], str)
    ledger = sandbox.ledger()
    assert (ledger.told, len(ledger.rejections)) == ((), 1)


def test_an_order_that_lengow_has_not_collected_is_not_found(api, sandbox, account):
    [order_id] = sandbox.sell(account.account_id, 1, {"standard": 1})
    answer = api.ship(order_id)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Pas trouvé."})


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"carrier": "Other"}, "carrier_name and tracking_url required"),
        ({"carrier": "Other", "carrier_name": "Pigeon"}, "tracking_url required"),
        ({"tracking_url": "ftp://example.com"}, "not a valid URL"),
        ({"tracking_url": "tracking_url not available"}, "not a valid URL"),
    ],
)
def test_the_marketplace_refuses_later(api, sandbox, arguments, why):
    order_id = api.sells()
    answer = api.ship(order_id, **arguments)
    assert answer.status_code == 201
    sandbox.advance(minutes=15)
    queued, _, errors = outcome(api, answer.json()["id"])
    assert not queued
    assert why in errors
    assert api.order(order_id)["lengow_status"] == "waiting_shipment"
    again = api.ship(order_id, carrier="Other", **TRACKED)
    sandbox.advance(minutes=15)
    assert outcome(api, again.json()["id"]) == (False, True, "")
    assert api.order(order_id)["packages"][0]["delivery"]["trackings"][0]["carrier"] == "Chronopost"


def test_an_order_that_was_cancelled_meanwhile_is_refused_by_the_marketplace(api, sandbox):
    order_id = api.sells()
    sandbox.cancel(order_id)
    action_id = api.ship(order_id).json()["id"]
    sandbox.advance(minutes=15)
    assert "its status is CANCELED" in outcome(api, action_id)[2]
    assert api.ship(order_id).status_code == 400


def test_the_same_post_twice_is_two_actions_and_the_second_is_refused(api, sandbox):
    order_id = api.sells()
    first, second = (api.ship(order_id).json()["id"] for _ in range(2))
    assert first != second
    sandbox.advance(minutes=15)
    assert outcome(api, first) == (False, True, "")
    assert "its status is SHIPPED" in outcome(api, second)[2]


def test_shipping_line_by_line_moves_the_order_with_the_last(api, sandbox):
    order_id = api.sells("multi_line", marketplace="fnac_fr")
    lines = [line["marketplace_order_line_id"] for line in api.order(order_id)["packages"][0]["cart"]]

    def ship(**arguments):
        return api.act(order_id, "ship", "fnac_fr", carrier="20002", tracking_number="T", **arguments)

    assert list(ship().json()) == ["line"]
    for line in lines[:-1]:
        assert ship(line=line).status_code == 201
    sandbox.advance(minutes=15)
    order = api.order(order_id)
    assert order["lengow_status"] == "waiting_shipment"
    assert [line["lengow_status"] for line in order["packages"][0]["cart"]][-2:] == ["shipped", "waiting_shipment"]
    ship(line=lines[-1])
    sandbox.advance(minutes=15)
    order = api.order(order_id)
    assert order["lengow_status"] == "shipped"
    told = [line for one in order["packages"][0]["delivery"]["trackings"] for line in one["marketplace_order_line_ids"]]
    assert told == lines


def sells_pieces(api, sandbox, pieces, marketplace="decathlon_fr"):
    """One line of so many pieces; its order's and its own id."""
    order_id = api.sells(marketplace=marketplace)
    sandbox.amend(order_id, {"quantity": pieces})
    sandbox.advance(minutes=15)
    api.log_in()
    return order_id, api.order(order_id)["packages"][0]["cart"][0]["marketplace_order_line_id"]


def ship_pieces(api, order_id, line_id, quantity, number="T1", **arguments):
    asked = {"carrier": "colissimo", "tracking_number": number, "line": line_id, "shipped_quantity": quantity}
    return api.act(order_id, "ship", "decathlon_fr", **{**asked, **arguments})


def test_a_line_ships_in_parts_and_moves_with_the_last(api, sandbox):
    order_id, line = sells_pieces(api, sandbox, 3)
    for quantity, number, status in ((1, "T1", "waiting_shipment"), (2, "T2", "shipped")):
        assert ship_pieces(api, order_id, line, quantity, number).status_code == 201
        sandbox.advance(minutes=15)
        assert api.order(order_id)["lengow_status"] == status
    trackings = api.order(order_id)["packages"][0]["delivery"]["trackings"]
    assert [(one["number"], one["marketplace_order_line_ids"]) for one in trackings] == [("T1", [line]), ("T2", [])]


@pytest.mark.parametrize(
    ("before", "quantity", "arguments", "why"),
    [
        ((), 4, {}, "4 shipped of 3"),
        ((2,), 2, {}, "4 shipped of 3"),
        ((), 1, {"line": ""}, "a quantity needs a line"),
    ],
)
def test_more_pieces_than_were_sold_are_refused_by_the_marketplace(api, sandbox, before, quantity, arguments, why):
    order_id, line = sells_pieces(api, sandbox, 3)
    for pieces in before:
        ship_pieces(api, order_id, line, pieces)
    action_id = ship_pieces(api, order_id, line, quantity, "T2", **arguments).json()["id"]
    sandbox.advance(minutes=15)
    assert why in outcome(api, action_id)[2]


def test_a_part_may_be_cancelled_and_the_rest_shipped(api, sandbox):
    order_id, line = sells_pieces(api, sandbox, 3)
    assert api.act(order_id, "cancel", "decathlon_fr", line=line, cancel_quantity=1).status_code == 201
    sandbox.advance(minutes=15)
    action_id = ship_pieces(api, order_id, line, 3).json()["id"]
    sandbox.advance(minutes=15)
    assert "3 shipped of 2" in outcome(api, action_id)[2]
    assert ship_pieces(api, order_id, line, 2).status_code == 201
    sandbox.advance(minutes=15)
    assert api.order(order_id)["lengow_status"] == "shipped"


@pytest.mark.parametrize(
    ("marketplace", "arguments", "field"),
    [
        ("decathlon_fr", {"shipped_quantity": "0"}, "shipped_quantity"),
        ("decathlon_fr", {"shipped_quantity": "one"}, "shipped_quantity"),
        ("manomano_fr", {"quantity": "1"}, "quantity"),
        ("manomano_fr", {"shipped_quantity": "1"}, "shipped_quantity"),
        ("fnac_fr", {"shipped_quantity": "1"}, "shipped_quantity"),
        ("darty_fr", {"line": "Y1-1"}, "line"),
        ("decathlon_fr", {"carrier_name": "Geodis"}, "carrier_name"),
        ("decathlon_fr", {"carrier": "chronopost", "carrier_name": "Geodis"}, "carrier_name"),
    ],
)
def test_lengow_refuses_what_the_description_does_not_list_or_lets_depend(api, sandbox, marketplace, arguments, field):
    order_id, line = sells_pieces(api, sandbox, 3, marketplace)
    carrier = {"decathlon_fr": "colissimo", "fnac_fr": "20002"}.get(marketplace, "DPD")
    by_line = {"line": line} if marketplace != "darty_fr" else {}
    asked = {"carrier": carrier, "tracking_number": "T1", **by_line, **arguments}
    answer = api.act(order_id, "ship", marketplace, **asked)
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_a_carriers_name_goes_with_the_carrier_it_depends_on(api, sandbox):
    order_id, line = sells_pieces(api, sandbox, 1)
    assert ship_pieces(api, order_id, line, 1, carrier="Other", carrier_name="Geodis").status_code == 201


def test_fnac_takes_only_its_own_carriers_and_cancels(api, sandbox):
    order_id = api.sells(marketplace="fnac_fr")
    line = api.order(order_id)["packages"][0]["cart"][0]["marketplace_order_line_id"]
    free = api.act(order_id, "ship", "fnac_fr", carrier="Other", carrier_name="X", tracking_number="T", line=line)
    assert list(free.json()) == ["carrier", "carrier_name"]
    assert api.act(order_id, "cancel", "fnac_fr", reason="no_stock").status_code == 201
    sandbox.advance(minutes=15)
    assert api.order(order_id)["marketplace_status"] == "Cancelled"


@pytest.mark.parametrize(("action", "status"), [("accept", "waiting_shipment"), ("refuse", "refused")])
def test_a_pending_order_is_accepted_or_refused(api, sandbox, action, status):
    order_id = api.sells("pending")
    assert api.ship(order_id).status_code == 400
    assert api.act(order_id, action).status_code == 201
    sandbox.advance(minutes=15)
    assert api.order(order_id)["lengow_status"] == status


def test_refunds(api, sandbox):
    order_id = api.sells("fulfilment")
    asked = {"refund_reason": "DAMAGED", "refund_shipping_fees": "true"}
    assert list(api.act(order_id, "refund").json()) == ["refund_reason", "refund_shipping_fees"]
    assert list(api.act(order_id, "refund", **asked, refund_quantity="some").json()) == ["refund_quantity"]
    assert api.act(order_id, "refund", **asked).status_code == 201
    sandbox.advance(minutes=15)
    order = api.order(order_id)
    line = order["packages"][0]["cart"][0]
    assert order["lengow_status"] == "refunded"
    assert line["refunded_amount"] == line["amount"]


def test_a_refund_of_too_many_is_refused_by_the_marketplace(api, sandbox):
    order_id = api.sells("fulfilment")
    asked = {"refund_reason": "DAMAGED", "refund_shipping_fees": "false", "refund_quantity": "9"}
    action_id = api.act(order_id, "refund", **asked).json()["id"]
    sandbox.advance(minutes=15)
    assert "9 refunded of" in outcome(api, action_id)[2]


def test_the_list_is_filtered_by_any_argument(api, sandbox):
    first, second = api.sells(), api.sells()
    api.ship(first, tracking_number="A")
    sandbox.advance(minutes=15)
    between = sandbox.now().isoformat()
    api.ship(second, tracking_number="B")

    def found(**filters):
        return [one["marketplace_order_id"] for one in api.get("/v3.0/orders/actions/", **filters).json()["results"]]

    assert found() == [second, first]
    assert found(queued="True") == [second]
    assert found(processed="True") == [first]
    assert found(tracking_number="A") == [first]
    assert found(marketplace_order_id=second, carrier="DPD", action_type="ship", queued="True") == [second]
    assert found(line="M1-1") == []
    assert found(updated_from=between) == [second]
    assert found(updated_to=between) == [first]
    assert found(page_size=1, page=2) == [first]
    assert api.get("/v3.0/orders/actions/", updated_from="x").status_code == 400
    assert api.get("/v3.0/orders/actions/", page_size=1, page=3).status_code == 404


def test_errors_may_be_null(api, sandbox):
    sandbox.configure(null_errors=True)
    assert api.ship(api.sells()).json()["errors"] is None
