"""From the shop's shipment to the connector: polling, which sees late tracking numbers, and the signed contract."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prestashop_shop import SECRETS, ContractPrestaShop
from shop_handle import signed

from lengow.adapters.contract import SHIPPED, context_for, created, new_order
from lengow.adapters.prestashop import PrestaShopAdapter, PrestaShopSettings, polling
from lengow.adapters.prestashop.health import NEEDED
from lengow.adapters.prestashop.polling import _before
from lengow.connector.adapter import (
    Cancel,
    CorrectAddress,
    Event,
    Finding,
    MarkShipped,
    Refund,
    Request,
    ShopOrder,
    Updated,
)
from lengow.connector.errors import PayloadInvalid, SettingsError
from lengow.connector.model import Address
from lengow.connector.secret import Secret
from lengow.sandbox.answers import Answer
from lengow.sandbox.shops.prestashop import KEY
from lengow.sandbox.shops.standin import Fault


@pytest.fixture
def shop() -> Iterator[ContractPrestaShop]:
    shop = ContractPrestaShop()
    yield shop
    shop.close()


@pytest.fixture
def adapter(shop: ContractPrestaShop) -> Iterator[PrestaShopAdapter]:
    adapter = shop.adapter()
    yield adapter
    adapter.close()


def make(adapter: PrestaShopAdapter, shop: ContractPrestaShop, reference: str) -> ShopOrder:
    return created(adapter, new_order(reference, [(shop.simple, 1, "5.00")]))


def poll(adapter: PrestaShopAdapter, cursor: str) -> tuple[list[Event], str]:
    page = adapter.shipments_since(cursor)
    assert not page.more
    return list(page.events), page.cursor


# Polling


def test_a_cancellation_in_the_shop_is_told(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = make(adapter, shop, "A-1")
    _, cursor = poll(adapter, "")
    shop.pass_time(60)
    shop.standin.set_state(int(made.id), 6)
    [event], cursor = poll(adapter, cursor)
    assert (event.kind, event.shop_order_id, event.reference, event.line_ids) == ("cancelled", made.id, "A-1", ())
    assert list(adapter.shipments_of(made.id)) == [event]
    again, _ = poll(adapter, cursor)
    assert {one.id for one in again} <= {event.id}, "a repeat is known by its id"


# Refunds


def bought(adapter: PrestaShopAdapter, shop: ContractPrestaShop, reference: str = "A-1") -> ShopOrder:
    lines = [(shop.simple, 2, "49.80"), (shop.another, 1, "9.99"), (shop.simple, 1, "24.90")]
    return created(adapter, new_order(reference, lines, shipping="4.90"))


def test_an_order_slip_is_a_refund_of_its_lines(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = bought(adapter, shop)
    _, cursor = poll(adapter, "")
    shop.pass_time(60)
    slip = shop.standin.add_slip(int(made.id), (shop.another, 1, "9.99"))
    [event], cursor = poll(adapter, cursor)
    assert (event.kind, event.shop_order_id, event.reference) == ("refunded", made.id, "A-1")
    assert (event.line_ids, event.quantities, event.parcel) == (("A-1-2",), {}, f"slip {slip}")
    assert list(adapter.shipments_of(made.id)) == [event]
    again, _ = poll(adapter, cursor)
    assert {one.id for one in again} <= {event.id}, "a repeat is known by its id"


def test_pieces_of_a_slip_are_those_of_the_lines_in_their_order(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter
) -> None:
    """PrestaShop has one row of a product that was sold in two lines."""
    made = bought(adapter, shop)
    shop.standin.add_slip(int(made.id), (shop.simple, 1, "24.90"))
    shop.standin.add_slip(int(made.id), (shop.simple, 2, "49.80"))
    events, _ = poll(adapter, "")
    assert [(one.line_ids, one.quantities) for one in events] == [
        (("A-1-1",), {"A-1-1": 1}),
        (("A-1-1", "A-1-3"), {"A-1-1": 1}),
    ]


@pytest.mark.parametrize(
    ("rows", "shipping"),
    [((), "4.90"), ((("BOWL", 1, "5.00"),), "0"), ((("BOWL", 0, "9.99"),), "0")],
    ids=["shipping", "less than it was sold for", "no pieces"],
)
def test_money_without_whole_pieces_is_told_as_no_refund(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, rows: tuple[tuple[str, int, str], ...], shipping: str
) -> None:
    """The marketplace refunds whole lines: it would give back more than the merchant did."""
    made = bought(adapter, shop)
    slip = shop.standin.add_slip(int(made.id), *rows, shipping=shipping)
    [event], _ = poll(adapter, "")
    assert (event.kind, event.line_ids, event.raw_kind) == ("other", (), f"order slip {slip} of money only")


@pytest.mark.parametrize(
    "written",
    [{"amount": "5.000000"}, {"total_products_tax_incl": "44.800000"}, {"total_products_tax_excl": "44.800000"}],
    ids=["an amount of his own", "less the voucher, with tax", "less the voucher, without tax"],
)
def test_pieces_for_which_the_merchant_chose_to_give_less_are_money_only(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, written: dict[str, str]
) -> None:
    """PrestaShop keeps the rows at what they were sold for, and the choice in the slip (its `OrderSlip::create`)."""
    made = bought(adapter, shop)
    slip = shop.standin.add_slip(int(made.id), (shop.simple, 2, "49.80"))
    shop.standin.data.tables["order_slip"][slip] |= written
    [event], _ = poll(adapter, "")
    assert (event.kind, event.line_ids) == ("other", ())


def test_a_slip_whose_amount_is_without_tax_is_whole(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """So PrestaShop writes it where the merchant entered prices without tax."""
    made = bought(adapter, shop)
    slip = shop.standin.add_slip(int(made.id), (shop.simple, 2, "49.80"), shipping="4.90")
    shop.standin.data.tables["order_slip"][slip] |= {"amount": "41.500000", "total_products_tax_excl": "41.500000"}
    for row in shop.standin.data.associated["order_slip", slip]:
        row["amount_tax_excl"] = "41.50"
    [event], _ = poll(adapter, "")
    assert (event.kind, event.line_ids) == ("refunded", ("A-1-1",))


def test_a_refund_that_the_connector_booked_is_no_news(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = bought(adapter, shop)
    assert isinstance(adapter.update_order(made, Refund("r-1", Decimal("9.99"), "", ("A-1-2",))), Updated)
    assert poll(adapter, "")[0] == []
    merchants = shop.standin.add_slip(int(made.id), (shop.simple, 1, "24.90"))
    [event], _ = poll(adapter, "")
    assert event.parcel == f"slip {merchants}"
    assert isinstance(adapter.update_order(made, MarkShipped()), Updated), "and the note keeps which is ours"
    assert [one.kind for one in adapter.shipments_of(made.id)] == ["refunded"]


def test_slips_are_told_unless_the_merchant_uses_them_otherwise(shop: ContractPrestaShop) -> None:
    adapter = shop.adapter(order_slips="ignore")
    made = bought(adapter, shop)
    shop.standin.add_slip(int(made.id), (shop.another, 1, "9.99"))
    assert poll(adapter, "")[0] == []
    assert list(adapter.shipments_of(made.id)) == []
    adapter.close()


def test_slips_of_the_shops_own_orders_are_none_of_ours(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = bought(adapter, shop)
    shop.standin.data.tables["orders"][int(made.id)]["note"] = "by hand"
    shop.standin.add_slip(int(made.id), (shop.another, 1, "9.99"))
    assert poll(adapter, "")[0] == []


def test_a_cursor_from_before_slips_were_read_looks_back(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = bought(adapter, shop)
    _, cursor = poll(adapter, "")
    known = json.loads(cursor)
    del known["slips_since"], known["slips_offset"]
    shop.standin.add_slip(int(made.id), (shop.another, 1, "9.99"))
    events, _ = poll(adapter, json.dumps(known))
    assert [one.kind for one in events] == ["refunded"]


def test_slips_from_while_they_were_not_read_are_not_told_later(shop: ContractPrestaShop) -> None:
    """The merchant had the marketplace give back their money himself: it would be given back twice."""
    ignoring, adapter = shop.adapter(order_slips="ignore"), shop.adapter()
    made = bought(ignoring, shop)
    _, cursor = poll(ignoring, "")
    shop.standin.add_slip(int(made.id), (shop.another, 1, "9.99"))
    shop.pass_time(30 * 86400)
    _, cursor = poll(ignoring, cursor)
    shop.pass_time(60)
    assert poll(adapter, cursor)[0] == []
    shop.standin.add_slip(int(made.id), (shop.simple, 1, "24.90"))
    assert [one.parcel for one in poll(adapter, cursor)[0]] == ["slip 2"]
    ignoring.close()
    adapter.close()


def test_slips_from_while_the_key_might_not_read_them_are_not_told_later(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter
) -> None:
    made = bought(adapter, shop)
    _, cursor = poll(adapter, "")
    shop.standin.server.fail(Fault("answer", "GET", "/order_slip", None, answer=Answer(403, b"")))
    shop.standin.add_slip(int(made.id), (shop.another, 1, "9.99"))
    shop.pass_time(30 * 86400)
    _, cursor = poll(adapter, cursor)
    shop.mend()
    shop.pass_time(60)
    assert poll(adapter, cursor)[0] == []


# Tracking


def test_a_tracking_number_that_comes_later_is_seen(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    """It does not touch the order's time of change (capture 124)."""
    made = make(adapter, shop, "A-1")
    shop.standin.set_state(int(made.id), 4)
    events, cursor = poll(adapter, "")
    assert events == [], "its number may still come"
    shop.pass_time(3600)
    shop.standin.add_tracking(int(made.id), "X1", shop.colissimo)
    [event], cursor = poll(adapter, cursor)
    assert (event.tracking.carrier_name, event.tracking.number) == ("Colissimo", "X1")
    assert event.tracking.url == "https://track.example.com/X1"
    assert json.loads(cursor)["waiting"] == []


def test_a_shipment_without_a_number_is_told_after_a_while(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter
) -> None:
    made = make(adapter, shop, "A-9")
    shop.standin.set_state(int(made.id), 4)
    _, cursor = poll(adapter, "")
    shop.pass_time(2 * 3600)
    [first], cursor = poll(adapter, cursor)
    assert (first.shop_order_id, first.tracking.number) == (made.id, "")
    for _ in range(2):
        events, cursor = poll(adapter, cursor)
        assert events == [], "told once"
    shop.pass_time(24 * 3600)
    shop.standin.add_tracking(int(made.id), "X1")
    [second], _ = poll(adapter, cursor)
    assert second.id != first.id
    assert second.tracking.number == "X1"


def test_no_shipment_is_let_go_untold_where_many_have_no_number(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old order that is shipped late, in a shop that posts letters."""
    monkeypatch.setattr(polling, "MOST_WAITING", 3)
    late = make(adapter, shop, "A-1")
    for number in range(3):
        shop.standin.set_state(int(make(adapter, shop, f"A-3-{number}").id), 4)
    _, cursor = poll(adapter, "")
    shop.pass_time(2 * 3600)
    assert len(poll(adapter, cursor)[0]) == 3
    cursor = poll(adapter, cursor)[1]
    told = set()
    shop.standin.set_state(int(late.id), 4)
    for number in range(4):
        events, cursor = poll(adapter, cursor)
        told |= {event.shop_order_id for event in events}
        shop.pass_time(3600)
        shop.ship(make(adapter, shop, f"A-4-{number}").id, SHIPPED)  # the cursor moves on
    assert late.id in told


def test_orders_without_a_number_are_asked_for_together(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    for number in range(30):
        shop.standin.set_state(int(make(adapter, shop, f"A-2-{number}").id), 4)
    _, cursor = poll(adapter, "")
    shop.pass_time(2 * 3600)
    events, cursor = poll(adapter, cursor)
    assert len(events) == 30
    shop.pass_time(3600)
    before = sum(shop.standin.ledger().requests.values())
    assert poll(adapter, cursor)[0] == []
    assert sum(shop.standin.ledger().requests.values()) - before <= 3


def test_what_is_not_ours_is_not_told(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = make(adapter, shop, "A-3")
    shop.ship(made.id, SHIPPED)
    shop.standin.data.tables["orders"][int(made.id)]["note"] = "a shop's own order"
    assert poll(adapter, "")[0] == []
    assert list(adapter.shipments_of(made.id)) == []
    assert list(adapter.shipments_of("no-number")) == []
    assert list(adapter.shipments_of("999")) == []


def test_an_order_that_is_not_shipped_tells_nothing(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = make(adapter, shop, "A-4")
    shop.standin.add_tracking(int(made.id), "X1")
    assert list(adapter.shipments_of(made.id)) == []


def test_several_parcels_are_several_events(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = make(adapter, shop, "A-5")
    shop.ship(made.id, SHIPPED)
    [row] = shop.standin.rows("order_carriers", id_order=made.id)
    shop.standin.data.insert("order_carriers", {**row, "id": "", "tracking_number": "X2"} | {"id": "99"})
    assert [event.tracking.number for event in adapter.shipments_of(made.id)] == [SHIPPED.number, "X2"]


def test_many_orders_of_one_second_are_all_told(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    made = [make(adapter, shop, f"A-6-{number}") for number in range(205)]
    for order in made:
        shop.ship(order.id, SHIPPED)
        shop.standin.data.tables["orders"][int(order.id)]["date_upd"] = shop.standin.data.local_now()[:17] + "00"
    told, cursor, more = set(), "", True
    while more:
        page = adapter.shipments_since(cursor)
        told |= {event.shop_order_id for event in page.events}
        cursor, more = page.cursor, page.more
    assert told == {order.id for order in made}


@pytest.mark.parametrize(
    ("local", "since"),
    [
        ("2026-07-01 12:00:00", "2026-07-01 11:50:00"),
        ("2026-10-25 02:59:00", "2026-10-25 01:49:00"),  # the clock was set back at 03:00
        ("2026-10-25 04:30:00", "2026-10-25 03:20:00"),
        ("2026-03-29 03:10:00", "2026-03-29 03:00:00"),
        ("no date", "no date"),
    ],
)
def test_the_night_when_the_clock_is_set_back(local: str, since: str) -> None:
    assert _before(local, ZoneInfo("Europe/Paris")) == since


# The signed contract


def delivery(shop: ContractPrestaShop, data: object, kind: str = "shipment.created") -> Request:
    body = json.dumps({"type": kind, "timestamp": "2026-03-03T14:20:05Z", "data": data}).encode()
    return signed(body, SECRETS[0], f"{shop.standin.clock.now().timestamp():.0f}", "prestashop-1-shipment-887")


def test_the_request_of_the_page_is_taken(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "adapters" / "prestashop.md"
    body = page.read_text().partition("```json\n")[2].partition("```")[0].strip().encode()
    request = signed(body, SECRETS[0], f"{shop.standin.clock.now().timestamp():.0f}", "prestashop-1-shipment-887")
    assert adapter.verify(request) == "prestashop-1-shipment-887"
    [event] = adapter.events(request)
    assert (event.kind, event.shop_order_id, event.tracking.number) == ("shipment", "1042", "6A00000000001")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"contract": "other/1", "order": {"id": "1"}, "shipment": {"id": "1"}},
        {"contract": "shop-shipment/1", "order": {}, "shipment": {"id": "1"}},
        {"contract": "shop-shipment/1", "order": {"id": "1"}},
        {"contract": "shop-shipment/1", "order": {"id": "1"}, "shipment": {}},
        [],
    ],
)
def test_a_signed_request_that_breaks_the_contract(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, data: object
) -> None:
    with pytest.raises(PayloadInvalid):
        adapter.events(delivery(shop, data))


def test_an_unknown_kind_is_taken_and_ignored(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    [event] = adapter.events(delivery(shop, {}, "connection.ping"))
    assert event.kind == "other"


def test_a_carrier_without_code_goes_by_its_name(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    data = {
        "contract": "shop-shipment/1",
        "order": {"id": "1"},
        "shipment": {"id": "2", "carrier_label": "Colissimo", "tracking_number": "X"},
    }
    [event] = adapter.events(delivery(shop, data))
    assert (event.tracking.carrier_code, event.tracking.carrier_name) == ("Colissimo", "Colissimo")


# Setting it up


def bad(findings: object) -> list[Finding]:
    return [one for one in findings if not one.ok]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("resource", "methods", "what"),
    [
        ("orders", "GET POST", "may write orders"),
        ("orders", "POST PATCH", "may read orders"),
        ("tax_rules", "", "may read tax_rules"),
        ("order_slip", "GET", "may write order_slip"),
    ],
)
def test_check_tells_each_right_that_is_missing(
    shop: ContractPrestaShop, adapter: PrestaShopAdapter, resource: str, methods: str, what: str
) -> None:
    shop.standin.limit_key(**{**NEEDED, resource: methods})
    found = bad(adapter.check())
    assert what in [one.what for one in found]
    assert all(one.what_to_do for one in found)


def test_the_least_rights_are_enough(shop: ContractPrestaShop) -> None:
    """Every call of the adapter's, with no right but those that its page lists."""
    shop.standin.limit_key(**NEEDED)
    adapter = shop.adapter(marketplace_state=5)
    assert bad(adapter.check()) == []
    order = new_order("L-1", [(shop.simple, 2, "9.00"), (shop.variant, 1, "3.00")], shipping="2.00")
    made = created(adapter, order)
    moved = Address(last_name="B", first_line="Ring 1", city="Berlin", country="DE")
    changes = (
        CorrectAddress(moved, moved),
        Refund("r1", Decimal(9), line_ids=("L-1-1",), restock=True),
        MarkShipped(SHIPPED),
    )
    for change in changes:
        assert adapter.update_order(made, change) == Updated("L-1")
    open_ = created(adapter, new_order("L-3", [(shop.simple, 1, "5.00")]))
    assert adapter.update_order(open_, Cancel()) == Updated("L-3")
    shop.standin.data.zones[shop.carrier] = frozenset({2})
    adapter.create_orders([new_order("L-2", [(shop.simple, 1, "5.00")])])
    shop.standin.data.zones[shop.carrier] = frozenset({1})
    created(adapter, new_order("L-2", [(shop.simple, 1, "5.00")], delivered_by_marketplace=True))
    assert adapter.find_order("L-2")
    assert poll(adapter, "")
    adapter.close()


@pytest.mark.parametrize(
    ("settings", "what", "words"),
    [
        ({"carrier": 2}, "carrier", "is not free"),
        ({"carrier": 77}, "carrier", "no active carrier"),
        ({"carriers_of_methods": {"x": 3}}, "carrier", "no active carrier"),
        ({"order_state": 4}, "states", "order_state is 'Shipped' (4)"),
        ({"shipped_state": 3}, "states", "shipped_state is 'Processing in progress' (3)"),
        ({"marketplace_state": 99}, "states", "which the shop does not have"),
        ({"key": "X" * 32}, "reachable", "Authentification key is not active"),
        ({"key": "short"}, "reachable", "Invalid authentication key format"),
    ],
)
def test_check_tells_what_is_set_wrong(
    shop: ContractPrestaShop, settings: dict[str, object], what: str, words: str
) -> None:
    adapter = shop.adapter(**settings)  # type: ignore[arg-type]
    found = [one for one in bad(adapter.check()) if one.what == what]
    assert found
    assert words in found[0].sentence
    assert found[0].what_to_do
    adapter.close()


def test_check_tells_of_the_clock_the_version_and_the_mails(shop: ContractPrestaShop) -> None:
    adapter = shop.adapter(email_domain="orders.example.com")
    shop.standin.set("PS_MAIL_METHOD", "2")
    shop.standin.set("PS_VERSION_DB", "1.7.6.9")
    adapter._health._clock = lambda: shop.standin.clock.now() + timedelta(minutes=7)
    assert {one.what for one in bad(adapter.check())} == {"clock", "version", "mail"}
    adapter.close()


def test_a_shop_that_mails_to_nobody_is_well(shop: ContractPrestaShop, adapter: PrestaShopAdapter) -> None:
    shop.standin.set("PS_MAIL_METHOD", "2")
    assert bad(adapter.check()) == []


def test_connect_tells_where_a_module_sends_to(adapter: PrestaShopAdapter) -> None:
    [finding] = adapter.connect("https://connector.example.com/webhooks/main")
    assert finding.ok
    assert "https://connector.example.com/webhooks/main" in finding.sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://shop.example.com"}, "not https"),
        ({"url": "shop.example.com"}, "not the address of a shop"),
        ({"url": "https://key:x@shop.example.com"}, "holds a password"),
        ({"payment_module": "Bank wire"}, "not a technical name"),
        ({"email_domain": "nowhere"}, "not a domain"),
        ({"wait_for_tracking_hours": -1}, "not from 0 to a week"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, str], words: str) -> None:
    good = {"url": "https://shop.example.com", "key": Secret(KEY), "carrier": 7}
    PrestaShopSettings(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        PrestaShopSettings(**{**good, **change})  # type: ignore[arg-type]


def test_a_webhook_secret_that_is_none_is_a_settings_error(shop: ContractPrestaShop) -> None:
    context = context_for(PrestaShopAdapter, {"url": shop.standin.url, "key": KEY, "carrier": 7}, [Secret("plain")])
    with pytest.raises(SettingsError, match="whsec_"):
        PrestaShopAdapter(context)


def test_the_key_can_go_in_the_query(shop: ContractPrestaShop) -> None:
    adapter = shop.adapter(key_in_query=True)
    assert bad(adapter.check()) == []
    shop.standin.server.down()
    found = " ".join(one.sentence for one in adapter.check())
    assert KEY not in found
    adapter.close()
