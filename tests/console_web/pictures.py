"""Takes the pictures of docs/console.md: `python tests/console_web/pictures.py docs/images`. No test.

A merchant's last month in a sandbox: sold, imported, shipped, confirmed, and some things that went wrong.
"""

import random
import sys
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from waitress.server import create_server

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import Merchant

from lengow.connector.model import OrderState
from lengow.console.web import create_site, people
from lengow.sandbox import Sandbox

PASSWORD = "a password for pictures"
DAYS = 30
SIZE = {"width": 1280, "height": 860}


def main(folder: Path) -> None:
    start = datetime.now(UTC) - timedelta(days=DAYS)
    with Sandbox(quota_per_minute=0, start=start) as sandbox, tempfile.TemporaryDirectory() as place:
        merchant = Merchant(sandbox, Path(place))
        live(merchant)
        connector = merchant.connector
        people.add_user(connector.store, "anne", "admin", PASSWORD, connector.now())
        server: Any = create_server(create_site(connector), host="127.0.0.1", port=0)
        threading.Thread(target=server.run, daemon=True).start()
        take(f"http://127.0.0.1:{server.effective_port}/console", folder, merchant)
        server.close()
        connector.close()


def live(merchant: Any) -> None:
    draw = random.Random(4)
    for day in range(DAYS):
        count = draw.randrange(4, 14) - (4 if day % 7 in (5, 6) else 0)
        merchant.sandbox.sell(merchant.account.account_id, count, {"standard": 7, "multi_line": 2, "relay": 1})
        if day % 3 == 0:
            merchant.sandbox.sell(merchant.account.account_id, 1, {"fulfilment": 1})
        merchant.sandbox.advance(hours=8)
        merchant.sync()
        if day < DAYS - 1:
            ship(merchant, draw)
        merchant.sandbox.advance(hours=15.5)
        merchant.sync()
    merchant.sells_raw({"currency": {"iso_a3": "ZZZ"}})
    merchant.sells_raw({"packages": [{"delivery": {"common_country_iso_a2": None}}]})
    merchant.sells(1, "pending")
    merchant.sells(3)
    merchant.sync()


def ship(merchant: Any, draw: random.Random) -> None:
    for stored in merchant.orders():
        row = stored.order
        if row.state is not OrderState.CREATED or row.status != "waiting_shipment" or draw.random() < 0.04:
            continue
        number = f"XY{row.id:06}"
        parcel: dict[str, str] = {"carrier": draw.choice(["COLISSIMO", "CHRONOPOST", "DPD"])}
        if draw.random() < 0.2:
            link = f"https://track.example.com/{number}"
            parcel = {"carrier": "Other", "carrier_name": "Geodis", "tracking_url": link}
        merchant.connector.ship(
            row.account, row.marketplace, row.marketplace_order_id, tracking_number=number, who="shop b2c", **parcel
        )


def take(url: str, folder: Path, merchant: Any) -> None:
    shipped = next(
        one for one in merchant.orders() if one.order.status == "shipped" and "Geodis" in told(merchant, one)
    )
    waiting = next(
        one for one in merchant.orders() if one.order.status == "waiting_shipment" and one.order.state == "created"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_context(viewport=SIZE, locale="en-GB").new_page()
        page.goto(f"{url}/login")
        page.fill("input[name=name]", "anne")
        page.fill("input[type=password]", PASSWORD)
        page.click("button.primary")
        save(page, folder / "console-overview.png")
        page.goto(f"{url}/orders")
        save(page, folder / "console-orders.png")
        page.goto(f"{url}/orders/{shipped.order.id}")
        save(page, folder / "console-order.png")
        page.goto(f"{url}/orders/{waiting.order.id}#act-ship")
        page.locator("#act-ship").evaluate("element => element.open = true")
        page.get_by_label("Carrier", exact=False).first.select_option("Other")
        save(page.locator("section[aria-labelledby=tell]"), folder / "console-ship.png")
        page.goto(f"{url}/shops")
        save(page, folder / "console-shops.png")
        phone = browser.new_context(viewport={"width": 390, "height": 844}, locale="fr-FR", color_scheme="dark")
        phone.add_cookies(page.context.cookies())
        small = phone.new_page()
        small.goto(f"{url}/orders")
        save(small, folder / "console-phone.png")
        browser.close()


def told(merchant: Any, stored: Any) -> str:
    return str([row.arguments for row in merchant.connector.store.actions_of(stored.order.id)])


def save(page: Any, path: Path) -> None:
    """In 128 colours, which such a page has not more of."""
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
