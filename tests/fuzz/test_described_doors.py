"""Whatever fits the OpenAPI description, or does not, a real server answers as the description says. By schemathesis.

All of its checks are on: no unexpected 5xx, statuses, media types, headers and bodies as described, what fits is taken and
what does not is refused, no answer without the signature or session, other methods are refused.
"""

import base64
import copy
import hashlib
import hmac
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hostile import TRIED
from hypothesis import HealthCheck, settings
from werkzeug.security import generate_password_hash

sys.path.insert(0, str(Path(__file__).parents[1] / "security"))

from served import SECRET, Served, serving

from lengow.connector import Connector, Settings
from lengow.connector.store.rows import UserRow
from lengow.sandbox import Sandbox

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
DESCRIPTION: Mapping[str, Any] = json.loads((ROOT / "console" / "openapi.json").read_text(encoding="utf-8"))
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
EXAMPLES = max(10, int(os.environ.get("LENGOW_FUZZ", "0")) // 20)
"""Inputs for each operation; `make fuzz` asks for many."""
PASSWORD = "correct horse battery"

GENERIC = f"""
[store]
url = "sqlite:///@FOLDER@/lengow.db"
[accounts.main]
access_token = "@TOKEN@"
secret = "@SECRET@"
base_url = "@URL@"
requests_per_minute = 0
[shops.generic]
account = "main"
platform = "generic"
marketplaces = ["manomano_fr"]
webhook_secrets = ["{SECRET}"]
"""
OTHERS = f"""
[shops.woocommerce]
account = "main"
platform = "woocommerce"
marketplaces = ["b"]
webhook_secrets = ["{SECRET}"]
url = "http://127.0.0.1:9"
consumer_key = "ck_a"
consumer_secret = "cs_a"
[shops.shopware]
account = "main"
platform = "shopware"
marketplaces = ["c"]
webhook_secrets = ["{SECRET}"]
url = "http://127.0.0.1:9"
access_key = "SWIA"
secret_key = "a"
sales_channel = "{"0" * 32}"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With orders of a sandbox, confirmations of some, and a user of the console."""
    folder = tmp_path_factory.mktemp("described")
    with Sandbox(quota_per_minute=0) as sandbox:
        account = sandbox.add_account("main")
        facts = {"TOKEN": account.access_token, "SECRET": account.secret, "URL": sandbox.url, "FOLDER": str(folder)}
        text = re.sub("@([A-Z]+)@", lambda found: facts[found[1]], GENERIC)
        (folder / "lengow.toml").write_text(text)
        with Connector(Settings.load(folder / "lengow.toml"), clock=sandbox.now) as connector:
            sold = sandbox.sell(account.account_id, 60, {"standard": 60})
            sandbox.advance(minutes=15)
            connector.sync()
            for number in sold[:3]:
                told = {"carrier_name": "X", "tracking_number": number, "tracking_url": "https://x.example/1"}
                connector.ship("main", "manomano_fr", number, carrier="Other", **told)
            with connector.store.transaction() as tx:
                tx.save_user(UserRow("vera", "viewer", generate_password_hash(PASSWORD), connector.now()))
    with serving(folder, settings=text + OTHERS, more=["--console"]) as running:
        yield running


def described(tag: str, document: Mapping[str, Any] = DESCRIPTION, *, proven: bool = False) -> Any:
    """The operations of this tag. `proven`: signature or session are not made up, but come with each request."""
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": not proven}})
    return schemathesis.openapi.from_dict(copy.deepcopy(dict(document)), config=config).include(tag=tag)


def tried(prove: Callable[..., None]) -> Callable[..., None]:
    @wraps(prove)
    def counted(*arguments: Any, **given: Any) -> None:
        TRIED[prove.__name__] += 1
        prove(*arguments, **given)

    checks = list(HealthCheck)
    return settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=checks, database=None)(counted)


# Deliveries

NUMBERS = itertools.count()

strangers = described("webhooks")


@strangers.parametrize()
@tried
def test_what_nobody_signed_is_refused(case: schemathesis.Case, server: Served) -> None:
    answer = case.call_and_validate(base_url=url(server))
    assert answer.status_code >= 400 or case.method != "POST"


def deliveries(platform: str, body: str, *signatures: str) -> Any:
    """The description as far as it is about one platform's deliveries."""
    document = copy.deepcopy(dict(DESCRIPTION))
    receiver = document["paths"]["/webhooks/{shop}"]
    [shop] = receiver["parameters"]
    shop |= {"schema": {"enum": [platform]}, "example": platform}
    receiver["post"]["security"] = [{name: [] for name in signatures}]
    receiver["post"]["requestBody"]["content"] = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}
    }
    return described("webhooks", document, proven=True)


class StandardWebhooks(requests.auth.AuthBase):
    """Signs what is sent, each as another delivery."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        name, moment = f"msg_{next(NUMBERS)}", str(int(time.time()))
        text = f"{name}.{moment}.".encode() + sent(request)
        signature = base64.b64encode(hmac.new(KEY, text, hashlib.sha256).digest()).decode()
        signed = {"webhook-id": name, "webhook-timestamp": moment, "webhook-signature": f"v1,{signature}"}
        request.headers.update(signed)
        return request


class WooCommerce(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        digest = hmac.new(SECRET.encode(), sent(request), hashlib.sha256).digest()
        request.headers["X-WC-Webhook-Signature"] = base64.b64encode(digest).decode()
        return request


class Shopware(requests.auth.AuthBase):
    """Its time is in the body: it is put there where the body has one."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = re.sub(rb'^(\{.*?"timestamp": )-?\d+', rb"\g<1>%d" % time.time(), sent(request), count=1)
        request.prepare_body(body, None)
        request.headers["shopware-shop-signature"] = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return request


def sent(request: requests.PreparedRequest) -> bytes:
    body = request.body or b""
    return body.encode() if isinstance(body, str) else body


generic = deliveries("generic", "ShopEvent", "webhookId", "webhookTimestamp", "webhookSignature")
woocommerce = deliveries("woocommerce", "WooCommerceOrder", "woocommerceSignature")
shopware = deliveries("shopware", "ShopwareEvent", "shopwareSignature")


@generic.parametrize()
@tried
def test_a_signed_event_of_the_contract_is_taken_and_another_refused(case: schemathesis.Case, server: Served) -> None:
    case.call_and_validate(base_url=url(server), auth=StandardWebhooks())


@woocommerce.parametrize()
@tried
def test_a_signed_order_of_woocommerce_is_taken_and_another_refused(case: schemathesis.Case, server: Served) -> None:
    case.call_and_validate(base_url=url(server), auth=WooCommerce())


@shopware.parametrize()
@tried
def test_a_signed_event_of_shopware_is_taken_and_another_refused(case: schemathesis.Case, server: Served) -> None:
    case.call_and_validate(base_url=url(server), auth=Shopware())


# Health and figures

monitoring = described("monitoring")


@monitoring.parametrize()
@tried
def test_health_and_figures_are_told_as_described(case: schemathesis.Case, server: Served) -> None:
    case.call_and_validate(base_url=url(server))


feeds = described("feeds")


@feeds.parametrize()
@tried
def test_a_feed_that_is_not_there_is_told_as_described(case: schemathesis.Case, server: Served) -> None:
    case.call_and_validate(base_url=url(server))


# The console

SHOPS = ["generic", "woocommerce", "shopware"]
CURSOR = (
    r"^2026-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\+00:00_[1-9][0-9]{0,9}$"
)


def console_of_these_shops() -> Mapping[str, Any]:
    """What the description cannot know: the shops of the settings, and cursors that an answer could have given."""
    document = copy.deepcopy(dict(DESCRIPTION))
    asked = {path: document["paths"][f"/console/{path}"]["get"]["parameters"] for path in ("orders", "events")}
    for parameter in asked["events"]:
        if parameter["name"] == "shop":
            parameter["schema"] = {"enum": SHOPS}
    for parameter in asked["orders"]:
        if parameter["name"] in ("after", "before"):
            parameter["schema"] = {"type": "string", "pattern": CURSOR}
    return document


console = described("console", console_of_these_shops(), proven=True)
strangers_to_it = described("console")
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def session(server: Served) -> str:
    """The cookie of a browser in which somebody logged in."""
    browser = requests.Session()
    page = browser.get(f"{url(server)}/console/login").text
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    form = {"form_token": token, "name": "vera", "password": PASSWORD}
    assert browser.post(f"{url(server)}/console/login", data=form, allow_redirects=False).status_code == 303
    return f"lengow_console={browser.cookies['lengow_console']}"


@console.parametrize()
@tried
def test_what_the_console_shows_is_told_as_described(case: schemathesis.Case, server: Served, session: str) -> None:
    case.call_and_validate(base_url=url(server), headers={**JSON, "Cookie": session})


@strangers_to_it.parametrize()
@tried
def test_to_a_stranger_the_console_tells_nothing(case: schemathesis.Case, server: Served) -> None:
    answer = case.call_and_validate(base_url=url(server), headers=JSON)
    assert answer.status_code >= 400 or case.method != "GET"


def url(server: Served) -> str:
    return f"http://127.0.0.1:{server.port}"
