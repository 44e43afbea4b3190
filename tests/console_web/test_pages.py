"""What the pages show and do, without a browser."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from markupsafe import escape

from lengow.connector.adapter import Event
from lengow.connector.model import ActionState, EventState, StepKind, Tracking
from lengow.connector.settings import IMPORT_SHIPPED_BY_MARKETPLACE
from lengow.connector.store.rows import EventRow, NewStep
from lengow.console.web.pages.orders import FILTERS
from lengow.console.web.routes import PAGES
from lengow.sandbox import Fault

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea></title></script><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "%(count)s %s {0}",
    "\u202eevil\u0000\x1b[31m",
]


def test_the_overview_tells_at_a_glance_that_all_is_well(merchant: Any, operator: Any) -> None:
    merchant.sells(3)
    merchant.sync()
    page = operator.sees("/")
    assert "All is well" in page
    assert "</span> 3 orders <span" in page


def test_the_overview_tells_what_needs_a_person(merchant: Any, operator: Any) -> None:
    merchant.sells(1)
    merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    merchant.sandbox.advance(days=5)
    merchant.sync()
    operator.logs_in("otto")
    page = operator.sees("/")
    assert "2 things need you" in page
    assert "1 order failed. It says what to do." in page
    assert "2 orders are past their shipping deadline" in page  # the failed one among them


def test_the_overview_tells_when_lengow_does_not_answer(merchant: Any, operator: Any) -> None:
    merchant.sync()
    merchant.sandbox.fault(Fault(kind="status", status=500, path="/v3.0/orders", times=50))
    merchant.sync()
    assert "lengow_unavailable" in operator.sees("/")


def test_an_account_that_was_never_synced_says_so(operator: Any) -> None:
    page = operator.sees("/")
    assert "never synced" in page
    assert "Orders of an account have not been read for a long time" in page


def test_a_sync_is_begun_followed_and_told(app: Any, merchant: Any, operator: Any) -> None:
    merchant.sells(2)
    operator.sends("/sync", account="main")
    operator.waits()
    page = operator.sees("/progress")
    assert "Orders read: 2, new: 2" in page
    assert "otto" in page
    assert len(merchant.in_shop()) == 2
    operator.sends("/sync", account="nobody")
    assert "There is no such account" in operator.last.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=failed", "broken"),
        ("state=skipped", "fulfilment"),
        ("reason=delivered_by_marketplace_disabled", "fulfilment"),
        ("type=is_delivered_by_marketplace", "fulfilment"),
        ("shop=b2c&state=created", "standard"),
        ("marketplace=manomano_es", ""),
        ("text={number}", "standard"),
        ("text=nobody.of.this.name", ""),
    ],
)
def test_orders_are_narrowed(merchant: Any, operator: Any, query: str, found: str) -> None:
    numbers = {
        "standard": merchant.sells(1)[0],
        "fulfilment": merchant.sells(1, "fulfilment")[0],
        "broken": merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}}),
    }
    merchant.sync()
    page = operator.sees("/orders?" + query.format(number=numbers["standard"]))
    assert [kind for kind, number in numbers.items() if f">{number}<" in page] == [found] * bool(found)


def test_a_failing_order_says_why_and_what_to_do(merchant: Any, operator: Any) -> None:
    merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    page = operator.sees("/orders")
    assert "The order&#39;s currency is missing or not an ISO 4217 code." in page
    assert "Report it to Lengow; then “Try again”." in page


def test_orders_are_paged_both_ways(merchant: Any, operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lengow.console.web.pages.orders.PAGE", 4)
    sold = set(merchant.sells(10))
    merchant.sync()
    seen: list[list[str]] = []
    page = operator.sees("/orders")
    while True:
        seen.append(re.findall(r'translate="no">(M\d+)<', page))
        link = re.search(r'rel="next" href="/console(/orders\?[^"]+)"', page)
        if link is None:
            break
        page = operator.sees(link[1].replace("&amp;", "&"))
    assert [len(one) for one in seen] == [4, 4, 2]
    assert {number for one in seen for number in one} == sold
    back = re.search(r'rel="prev" href="/console(/orders\?[^"]+)"', page)
    assert back is not None
    assert re.findall(r'translate="no">(M\d+)<', operator.sees(back[1].replace("&amp;", "&"))) == seen[1]


METACHARACTERS = (
    "'",
    '"; DROP TABLE orders; --',
    "%",
    "_",
    "*",
    "\\",
    "\x00",
    "a" * 5000,
    "(",
    "é" * 300,
    "-1",
    "½",
    "9" * 20,
)


@pytest.mark.parametrize("name", [*FILTERS, "after", "before"])
def test_metacharacters_in_a_filter_are_only_text(operator: Any, merchant: Any, name: str) -> None:
    for text in METACHARACTERS:
        answer = operator.client.get("/console/orders", query_string={name: text})
        assert answer.status_code == 200, text
    assert merchant.connector.store.users() != []


def test_the_other_pages_stand_any_query(operator: Any) -> None:
    names = ("state", "shop", "before", "of", "name", "sku", "examine", "after", "text")
    for path in ("/actions", "/events", "/changes", "/carriers", "/products", "/health", "/orders.csv"):
        for text in METACHARACTERS:
            answer = operator.client.get(f"/console{path}", query_string=dict.fromkeys(names, text))
            assert answer.status_code == 200, f"{path} {text}"


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_buyer_or_marketplace_writes_is_shown_as_text(
    merchant: Any, visit: Callable[..., Any], text: str
) -> None:
    places = ("first_name", "last_name", "company", "first_line", "second_line", "zipcode", "city", "email")
    address = dict.fromkeys(places, text)
    merchant.sells_raw(
        {
            "comments": text,
            "billing_address": {**address, "phone_home": text},
            "packages": [
                {
                    "delivery": {**address, "trackings": [{"method": text, "relay": {"id": text}}]},
                    "cart": [{"title": text, "merchant_product_id": {"id": text}}],
                }
            ],
        }
    )
    merchant.sync()
    [stored] = merchant.orders()
    anne = visit("anne")
    for path in (
        "/",
        "/orders",
        f"/orders/{stored.order.id}",
        f"/orders?text={text}",
        f"/carriers?name={text}",
        f"/products?sku={text}",
    ):
        page = anne.client.get("/console" + path.replace("%", "%25").replace("#", "%23")).text
        for part in ("<script>alert", "<img src=x", "<svg onload", "' onmouseover='alert"):
            assert part not in page, path
    page = anne.sees(f"/orders/{stored.order.id}")
    assert "49" not in re.findall(r"<dd[^>]*>\s*([^<]*)", page)
    if text.isprintable():
        assert page.count(str(escape(text))) > 5


def test_what_a_marketplace_answers_is_shown_as_text(merchant: Any, operator: Any) -> None:
    action = refused_action(merchant, text := "<script>alert(1)</script>")
    for path in ("/actions", f"/orders/{action.order_id}"):
        page = operator.sees(path)
        assert text not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_export_is_csv_that_no_spreadsheet_runs(merchant: Any, operator: Any) -> None:
    merchant.sells_raw({"billing_address": {"first_name": "=HYPERLINK(1)", "last_name": "x"}})
    merchant.sells(2)
    merchant.sync()
    text = operator.sees("/orders.csv")
    assert operator.last.mimetype == "text/csv"
    assert 'attachment; filename="orders-' in operator.last.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(rows) == 3
    assert [row["buyer"] for row in rows if "HYPERLINK" in row["buyer"]] == ["'=HYPERLINK(1) x"]
    assert all(re.fullmatch(r"\d+(\.\d+)?", row["total"]) for row in rows)
    narrowed = list(csv.DictReader(io.StringIO(operator.sees("/orders.csv?text=HYPERLINK").removeprefix("\ufeff"))))
    assert len(narrowed) == len([row for row in rows if "HYPERLINK" in row["buyer"]])


def test_the_export_goes_on_past_its_first_pages(merchant: Any, operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lengow.console.web.pages.orders.EXPORTED_AT_ONCE", 3)
    sold = merchant.sells(8)
    merchant.sync()
    rows = list(csv.DictReader(io.StringIO(operator.sees("/orders.csv?sort=oldest").removeprefix("\ufeff"))))
    assert sorted(row["marketplace_order_id"] for row in rows) == sorted(sold)


def test_an_order_is_tried_again_and_created_at_once(merchant: Any, operator: Any) -> None:
    number = merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    order_id = merchant.order(number).order.id
    assert "Tried again: the order is failed." in operator.sends(f"/orders/{order_id}/retry")
    [waiting] = merchant.sells(1, "pending")
    merchant.sync()
    merchant.sandbox.accept(waiting)
    merchant.sandbox.advance(minutes=15)
    order_id = merchant.order(waiting).order.id
    assert "Tried again: the order is in the shop." in operator.sends(f"/orders/{order_id}/retry")
    assert merchant.in_shop() == [waiting]
    assert [entry.who for entry in merchant.connector.store.journal(order_id) if entry.what == "retried"] == ["otto"]


def test_many_orders_are_tried_again_at_once(merchant: Any, operator: Any) -> None:
    merchant.sells(2)
    merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    ids = [one.order.id for one in merchant.orders()]
    operator.sends("/orders/retry", order=[str(one) for one in ids])
    operator.waits()
    assert "Tried again by otto" in operator.sees("/progress")
    for order_id in ids:
        assert "retried" in [entry.what for entry in merchant.connector.store.journal(order_id)]
    assert "Tick the orders" in operator.sends("/orders/retry")
    assert "Tick the orders" in operator.sends("/orders/retry", order=["x", "-1", "999999"])


def test_one_order_shows_lines_amounts_addresses_journal_and_record(merchant: Any, operator: Any) -> None:
    merchant.sells(8)
    merchant.sync()
    models = merchant.connector.store.models([one.order.id for one in merchant.orders()])
    order_id, order = next((number, one) for number, one in models.items() if one.shipping)
    page = operator.sees(f"/orders/{order_id}")
    for text in (order.lines[0].sku, order.billing.city, "Came from Lengow", "Created in the shop"):
        assert text in page
    assert "&#34;marketplace_order_id&#34;" in page
    for label, amount in (("Shipping", order.shipping), ("Total, tax included", order.total)):
        row = re.search(rf'{label}</th><td class="n">([^<]+)</td><td class="n">([^<]+)</td>', page)
        assert row is not None
        assert row[1] == row[2] == f"€{amount:,.2f}"


def test_a_record_that_cannot_be_read_is_shown_all_the_same(merchant: Any, operator: Any) -> None:
    number = merchant.sells_raw(
        raw_bytes=b'{"marketplace": "manomano_fr", "marketplace_order_id": "M-x", "packages": 7}'
    )
    merchant.sync()
    [stored] = merchant.orders()
    page = operator.sees(f"/orders/{stored.order.id}")
    assert "order_undecodable" in page
    assert "The record cannot be read" in page
    assert number


def test_actions_are_offered_by_the_marketplaces_rules(merchant: Any, operator: Any) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    page = operator.sees(f"/orders/{merchant.order(number).order.id}")
    assert "/act/ship" in page
    assert "/act/accept" not in page
    assert '<option value="CHRONOPOST">Chronopost</option>' in page
    assert '<option value="Other" data-marks="w1">' in page
    assert re.search(r'class="field w1">\s*<label for="f-ship-carrier_name"', page)


def test_a_shipment_is_told_and_what_a_hidden_field_held_is_left_out(merchant: Any, operator: Any) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    order_id = merchant.order(number).order.id
    form = {"argument.carrier": "DPD", "argument.tracking_number": "D1", "argument.carrier_name": "Geodis"}
    page = operator.sends(f"/orders/{order_id}/act/ship", **form)
    assert "Ship: checked, and on its way to the marketplace." in page
    [action] = merchant.connector.store.actions_of(order_id)
    assert action.arguments == {"carrier": "DPD", "tracking_number": "D1"}
    operator.waits()
    assert merchant.connector.store.action(action.id).state is ActionState.SENT
    entry = next(one for one in merchant.connector.store.journal(order_id) if one.what == "action_queued")
    assert entry.who == "otto"


@pytest.mark.parametrize(
    ("form", "sentence", "field"),
    [
        ({"argument.carrier": "Other", "argument.tracking_number": "1"}, "needs this field", "carrier_name"),
        ({"argument.carrier": "PIGEON", "argument.tracking_number": "1"}, "does not take this value", "carrier"),
        ({"argument.carrier": "DPD"}, "needs this field", "tracking_number"),
        (
            {
                "argument.carrier": "Other",
                "argument.tracking_number": "1",
                "argument.carrier_name": "Geodis",
                "argument.tracking_url": "geodis.example",
            },
            "not a web address",
            "tracking_url",
        ),
        ({"argument.carrier": "DPD", "argument.tracking_number": "1", "line": "nosuch"}, "no such line", ""),
    ],
)
def test_what_breaks_a_rule_is_told_beside_the_field_and_nothing_is_sent(
    merchant: Any, operator: Any, form: dict[str, str], sentence: str, field: str
) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    order_id = merchant.order(number).order.id
    page = operator.sends(f"/orders/{order_id}/act/ship", 422, **form)
    assert sentence in page
    if field:
        assert re.search(rf'name="argument\.{field}"[^>]*aria-invalid="true"', page)
    for name, value in form.items():
        if name != "line" and value != "PIGEON":
            assert f'value="{value}"' in page  # what was entered is still there
    assert merchant.connector.store.actions_of(order_id) == []


def test_an_action_at_the_wrong_status_is_refused(merchant: Any, operator: Any) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    order_id = merchant.order(number).order.id
    assert "at the order&#39;s present status" in operator.sends(f"/orders/{order_id}/act/accept", 422)
    assert "does not take this action" in operator.sends(f"/orders/{order_id}/act/fly", 422)
    operator.sends("/orders/999/act/ship", 404)


def test_an_order_shipped_by_the_marketplace_offers_no_shipment(merchant: Any, operator: Any) -> None:
    [number] = merchant.sells(1, "fulfilment")
    merchant.sync()
    page = operator.sees(f"/orders/{merchant.order(number).order.id}")
    assert "/act/ship" not in page
    assert "ships this order itself" in page


def test_a_refused_action_is_tried_again_or_dismissed(merchant: Any, operator: Any) -> None:
    action = refused_action(merchant, "no")
    assert "1 action was refused by a marketplace" in operator.sees("/")
    page = operator.sends(f"/actions/{action.id}/dismiss", reason="told by phone")
    assert "The action is dismissed." in page
    assert "told by phone" in page
    assert "refused by a marketplace" not in operator.sees("/")


def test_a_toggle_asks_first_says_how_many_come_and_brings_them(merchant: Any, operator: Any) -> None:
    merchant.sells(3, "fulfilment")
    merchant.sync()
    path = f"/shops/b2c/toggles/{IMPORT_SHIPPED_BY_MARKETPLACE}"
    page = operator.sends(path, value="on")
    assert "3 orders that were skipped will be imported with the next sync." in page
    assert merchant.connector.toggles("b2c")[IMPORT_SHIPPED_BY_MARKETPLACE] is False
    page = operator.sends(path, value="on", confirmed="yes")
    assert "Import orders shipped by marketplaces: on, for b2c." in page
    assert "by otto" in page
    merchant.sync()
    assert len(merchant.in_shop()) == 3
    operator.sends(path, value="off")
    assert merchant.connector.toggles("b2c")[IMPORT_SHIPPED_BY_MARKETPLACE] is False
    operator.sends("/shops/b2c/toggles/fly", 404, value="on")
    operator.sends("/shops/other/toggles/fly", 404, value="on")


def test_a_toggle_counts_only_orders_within_the_catch_up_window(merchant: Any, operator: Any) -> None:
    merchant.sells(1, "fulfilment")
    merchant.sync()
    merchant.sandbox.advance(days=31)
    operator.logs_in("otto")
    page = operator.sends(f"/shops/b2c/toggles/{IMPORT_SHIPPED_BY_MARKETPLACE}", value="on")
    assert "No order that was skipped will be imported" in page


def test_an_event_of_the_shop_that_failed_is_seen_and_followed_again(merchant: Any, operator: Any) -> None:
    assert "There is no such event" in operator.sees("/events")
    operator.sends("/events/1/retry", 404)
    operator.sends("/steps/1/retry", 400)


def test_a_carrier_that_was_not_understood_is_mapped_and_its_shipment_told(
    make_merchant: Callable[..., Any], hosted: Callable[[Any], Any]
) -> None:
    merchant = make_merchant(unmapped_carriers="hold")
    [number] = merchant.sells(1)
    merchant.sync()
    package = merchant.order(number).packages[0]
    event = Event(
        "e1", "shipment", shop_order_id=package.shop_order_id, tracking=Tracking("dpd-relais", "DPD Relais", "7")
    )
    with merchant.connector.store.transaction() as tx:
        body = msgspec.to_builtins(event)
        row = EventRow(0, "b2c", "d1", "e1", "shipment", body, EventState.RECEIVED, "", "", merchant.connector.now())
        [event_id] = tx.add_events([row])
        tx.add_steps([NewStep(StepKind.EVENT, str(event_id), merchant.connector.now(), shop="b2c")])
    merchant.sync()
    operator = hosted(merchant.connector)
    page = operator.sees("/carriers")
    assert "1 shipment waits" in page
    assert "DPD (most like it)" in page
    form = {"shop": "b2c", "marketplace": "manomano_fr", "code": "dpd-relais"}
    assert "has no carrier" in operator.sends("/carriers/map", 422, **form, carrier="PIGEON")
    page = operator.sends("/carriers/map", **form, carrier="DPD")
    assert "by otto" in page
    operator.waits()
    [action] = merchant.connector.store.actions_of(package.order_id)
    assert action.arguments == {"carrier": "DPD", "tracking_number": "7"}
    assert "Every carrier that the shops shipped with was understood." in operator.sees("/carriers")
    operator.sends("/carriers/unmap", **form)
    assert "Nothing is mapped yet." in operator.sees("/carriers")


def test_the_doctor_is_asked_only_on_request_and_only_by_who_may_act(merchant: Any, visit: Callable[..., Any]) -> None:
    assert "credentials" not in visit("otto").sees("/health")
    assert "credentials" in visit("otto").sees("/health?examine=yes")
    assert "credentials" not in visit("vera").sees("/health?examine=yes")


def test_every_page_is_light(merchant: Any, visit: Callable[..., Any]) -> None:
    merchant.sells(60)
    merchant.sync()
    anne = visit("anne")
    files = sum(
        len(anne.client.get(f"/console/static/{name}", buffered=True).data) for name in ("console.css", "console.js")
    )
    for page in PAGES:
        if page.method == "GET" and "<" not in page.rule:
            answer = anne.client.get(f"/console{page.rule}", follow_redirects=True)
            assert len(answer.data) + files < 150 * 1024, page.rule


def refused_action(merchant: Any, text: str) -> Any:
    """A shipment that the marketplace refused, with this text."""
    [number] = merchant.sells(1)
    merchant.sync()
    key = merchant.order(number).order.key
    [action] = merchant.connector.ship(
        key.account, key.marketplace, key.marketplace_order_id, carrier="DPD", tracking_number="1"
    )
    refused = msgspec.structs.replace(action, state=ActionState.REFUSED, error=text)
    with merchant.connector.store.transaction() as tx:
        tx.save_action(refused)
    return refused
