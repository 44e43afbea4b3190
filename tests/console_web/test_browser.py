"""The console as an operator has it: in a real browser. Each test also holds that no request goes elsewhere, and that
the browser complains of nothing (`browsing`)."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lengow.connector.model import ActionState
from lengow.connector.settings import DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED, IMPORT_SHIPPED_BY_MARKETPLACE
from lengow.sandbox import Fault

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
COLOURFUL = ("/", "/orders", "/orders/1", "/orders/4", "/shops", "/health?examine=yes")
PLAIN = (
    "/orders?state=failed&text=nobody",
    "/actions",
    "/events",
    "/changes?state=all",
    "/products",
    "/carriers?name=colisimo",
    "/compare",
    "/people",
    "/password",
)
Browsing = Callable[..., Any]


def test_an_operator_imports_and_sees_the_orders_come(merchant: Any, browsing: Browsing) -> None:
    merchant.sells(5)
    operator = browsing()
    assert "never synced" in operator.text()
    operator.page.get_by_role("button", name="Sync now").click()
    operator.page.get_by_text("Orders read: 5, new: 5").wait_for()
    operator.page.get_by_text("up to date").first.wait_for()  # the script shows it without a click
    assert "All is well" in operator.text()
    operator.page.get_by_role("link", name="Orders", exact=True).click()
    assert operator.page.locator("tbody tr").count() == 5
    assert len(merchant.in_shop()) == 5


def test_a_running_sync_shows_how_far_it_is(merchant: Any, browsing: Browsing) -> None:
    merchant.sells(250)
    merchant.sandbox.fault(Fault(kind="latency", seconds=1, path="/v3.0/orders", times=20))
    operator = browsing()
    operator.page.get_by_role("button", name="Sync now").click()
    operator.page.get_by_text("00 of 250 orders").wait_for()
    assert operator.page.get_by_role("progressbar").get_attribute("value") not in (None, "0", "100")
    assert operator.page.get_by_role("button", name="Sync now").count() == 0
    operator.page.get_by_text("Orders read: 250, new: 250").wait_for()


def test_orders_are_ticked_and_tried_again(merchant: Any, browsing: Browsing) -> None:
    merchant.sells(3)
    merchant.sync()
    operator = browsing()
    operator.opens("/orders")
    operator.page.get_by_label("Tick all").check()
    operator.page.get_by_role("button", name="Try the ticked orders again").click()
    operator.page.get_by_text("3 orders are being tried again.").wait_for()
    operator.page.get_by_text("Tried again by otto").wait_for()


def test_a_failed_order_says_what_to_do_and_is_tried_again(merchant: Any, browsing: Browsing) -> None:
    number = merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    operator = browsing()
    operator.page.get_by_role("link", name="order failed").click()
    operator.page.get_by_role("link", name=number).click()
    assert "Report it to Lengow; then “Try again”." in operator.text()
    operator.page.get_by_role("button", name="Try again").click()
    operator.page.get_by_text("Tried again: the order is failed.").wait_for()
    assert "by otto" in operator.page.locator(".journal").inner_text()


def test_a_toggle_is_switched_after_it_said_what_comes(merchant: Any, browsing: Browsing) -> None:
    merchant.sells(2, "fulfilment")
    merchant.sync()
    operator = browsing()
    operator.opens("/shops")
    switch = operator.page.get_by_role("switch", name="Import orders shipped by marketplaces")
    assert switch.get_attribute("aria-checked") == "false"
    switch.click()
    assert "2 orders that were skipped will be imported with the next sync." in operator.text()
    operator.page.get_by_role("button", name="Switch on").click()
    assert switch.get_attribute("aria-checked") == "true"
    assert "by otto" in operator.text()
    assert merchant.connector.toggles("b2c")[IMPORT_SHIPPED_BY_MARKETPLACE] is True
    operator.opens("/")
    operator.page.get_by_role("button", name="Sync now").click()
    operator.page.get_by_text("Orders read:").wait_for()
    assert len(merchant.in_shop()) == 2


def test_woocommerces_toggle_is_shown_disabled_with_the_reason(
    merchant: Any, browsing: Browsing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = merchant.connector.settings.shops["b2c"]
    woocommerce = msgspec.structs.replace(shop, platform="woocommerce")
    monkeypatch.setitem(merchant.connector.settings.shops, "woo", woocommerce)
    operator = browsing()
    operator.opens("/shops")
    section = operator.page.get_by_role("region", name="woo")
    for toggle in section.get_by_role("switch").all():
        assert toggle.is_disabled()
    assert section.get_by_text("Not on this platform:").count() == 2
    assert "WooCommerce" in section.inner_text()
    token = operator.page.locator("input[name=form_token]").first.get_attribute("value")
    answer = operator.page.request.post(
        f"{operator.url}/shops/woo/toggles/{DECREASE_STOCK_FOR_MARKETPLACE_SHIPPED}",
        form={"form_token": token, "value": "on"},
    )
    assert answer.status == 400
    assert "toggle" in answer.text()
    assert merchant.connector.store.toggles() == []


def test_a_parcel_is_told_with_other_whose_fields_appear_when_needed(merchant: Any, browsing: Browsing) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    order_id = merchant.order(number).order.id
    operator = browsing()
    operator.opens(f"/orders/{order_id}")
    name, link = operator.page.get_by_label("Carrier's name"), operator.page.get_by_label("Tracking link")
    assert not name.is_visible()
    operator.page.get_by_label("Carrier", exact=False).first.select_option("DPD")
    assert not name.is_visible()
    operator.page.get_by_label("Carrier", exact=False).first.select_option("Other")
    assert name.is_visible()
    assert link.is_visible()
    operator.page.get_by_label("Tracking number").fill("G1")
    name.fill("Geodis")
    operator.page.get_by_role("button", name="Ship").click()
    operator.page.get_by_text("The marketplace needs this field.").wait_for()  # no link: stopped here, not there
    assert merchant.connector.store.actions_of(order_id) == []
    assert name.input_value() == "Geodis"
    link.fill("https://track.example.com/G1")
    operator.page.get_by_role("button", name="Ship").click()
    operator.page.get_by_text("Ship: checked, and on its way to the marketplace.").wait_for()
    [action] = merchant.connector.store.actions_of(order_id)
    assert action.arguments == {
        "carrier": "Other",
        "tracking_number": "G1",
        "carrier_name": "Geodis",
        "tracking_url": "https://track.example.com/G1",
    }
    merchant.sandbox.advance(hours=1)
    merchant.sync()
    operator.page.reload()
    assert "confirmed" in operator.text()


def test_the_marketplaces_refusal_is_read_in_its_own_words(merchant: Any, browsing: Browsing) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    key = merchant.order(number).order.key
    merchant.connector.ship(key.account, key.marketplace, key.marketplace_order_id, carrier="DPD", tracking_number="1")
    merchant.sandbox.cancel(number)
    merchant.sync()
    merchant.sandbox.advance(hours=1)
    merchant.sync()
    [action] = merchant.connector.store.actions_of(merchant.order(number).order.id)
    assert action.state in (ActionState.REFUSED, ActionState.FAILED)
    operator = browsing()
    operator.page.get_by_role("link", name="action was refused").click()
    operator.page.get_by_role("link", name=number).click()
    assert action.error in operator.text()


def test_logins_are_limited(browsing: Browsing) -> None:
    stranger = browsing("")
    for _ in range(5):
        stranger.logs_in(password="not the password")
        stranger.page.get_by_text("The name or the password is wrong.").wait_for()
    stranger.logs_in()
    stranger.page.get_by_text("Too many logins failed.").wait_for()


def test_it_speaks_french_by_the_browsers_wish_and_by_choice(merchant: Any, browsing: Browsing) -> None:
    [number] = merchant.sells(1)
    merchant.sync()
    stored = merchant.order(number).order
    operator = browsing(locale="fr-FR")
    assert operator.page.locator("html").get_attribute("lang") == "fr"
    assert "Tout va bien" in operator.text()
    operator.opens(f"/orders/{stored.id}")
    amount = f"{float(stored.total):.2f}".replace(".", ",")
    assert f"{amount} €" in operator.text().replace("\u202f", " ").replace("\xa0", " ")
    assert "nov. 2026" in operator.text()
    operator.page.get_by_role("button", name="English").click()
    assert operator.page.locator("html").get_attribute("lang") == "en"
    assert operator.page.url.endswith(f"/orders/{stored.id}")


def test_it_works_by_keyboard_alone(merchant: Any, browsing: Browsing) -> None:
    merchant.sells(1)
    operator = browsing("")
    operator.opens("/login")
    operator.page.keyboard.type("otto")  # the name has the focus
    operator.page.keyboard.press("Tab")
    operator.page.keyboard.type("correct horse battery")
    operator.page.keyboard.press("Enter")
    operator.page.get_by_role("button", name="Sync now").wait_for()
    operator.page.keyboard.press("Tab")
    assert operator.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    operator.page.keyboard.press("Enter")
    operator.page.keyboard.press("Tab")
    for _ in range(10):
        if operator.page.evaluate("document.activeElement.textContent") == "Sync now":
            break
        operator.page.keyboard.press("Tab")
    operator.page.keyboard.press("Enter")
    operator.page.get_by_text("Orders read: 1").wait_for()


def test_it_works_without_javascript(merchant: Any, browsing: Browsing) -> None:
    merchant.sells(2)
    operator = browsing(java_script_enabled=False)
    operator.page.get_by_role("button", name="Sync now").click()
    for _ in range(100):
        operator.opens("/")
        if "Orders read: 2" in operator.text():
            break
        operator.page.wait_for_timeout(100)
    operator.opens("/orders")
    operator.page.locator("tbody input[type=checkbox]").first.check()
    operator.page.get_by_role("button", name="Try the ticked orders again").click()
    assert "1 order is being tried again." in operator.text()
    operator.opens("/orders")
    operator.page.locator("tbody th a").first.click()
    assert not operator.page.get_by_label("Carrier's name").is_visible()
    operator.page.get_by_label("Carrier", exact=False).first.select_option("Other")
    assert operator.page.get_by_label("Carrier's name").is_visible()


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
def test_a_phone_never_has_to_scroll_sideways(merchant: Any, browsing: Browsing, language: str) -> None:
    merchant.sells(2)
    merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    operator = browsing("anne", locale=language, **PHONE)
    for path in (
        "/",
        "/orders",
        "/orders/1",
        "/actions",
        "/events",
        "/changes",
        "/shops",
        "/products",
        "/health",
        "/people",
    ):
        operator.opens(path)
        assert operator.page.evaluate("document.documentElement.scrollWidth") <= 390, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(merchant: Any, browsing: Browsing, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    merchant.sells(2)
    merchant.sells(1, "fulfilment")
    merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sync()
    stranger = browsing("", color_scheme=scheme, bypass_csp=True)
    found = []
    stranger.opens("/login")
    found += serious(Axe().run(stranger.page))
    stranger.logs_in("anne")
    for path in COLOURFUL if scheme == "dark" else (*COLOURFUL, *PLAIN):
        stranger.opens(path)
        for detail in stranger.page.locator("main details").all():
            detail.evaluate("element => element.open = true")
        found += [f"{path}: {one}" for one in serious(Axe().run(stranger.page))]
    assert found == []


def test_nothing_moves_while_a_page_loads(merchant: Any, browsing: Browsing) -> None:
    merchant.sells(3)
    merchant.sync()
    operator = browsing()
    for path in ("/", "/orders", "/orders/1"):
        operator.opens(path)
        operator.page.wait_for_load_state("networkidle")
        shift = operator.page.evaluate(
            """() => new Promise(done => {
                let sum = 0;
                new PerformanceObserver(list => list.getEntries().forEach(one => { sum += one.value; }))
                    .observe({ type: "layout-shift", buffered: true });
                setTimeout(() => done(sum), 100);
            })"""
        )
        assert shift < 0.01, path


def serious(results: Any) -> list[str]:
    return [
        f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:2]
    ]
