"""Secrets stay where they are: after a run of all platforms, with faults, none is in a log, a file, a page or an error."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from lengow.connector import Account, Connector, LengowError, Settings, Shop, Store
from lengow.connector.adapter import Request
from lengow.connector.errors import SignatureError
from lengow.connector.mail import Mail
from lengow.connector.secret import Secret
from lengow.connector.settings import Metrics
from lengow.connector.store.rows import OrderFilter, UserRow
from lengow.console.demo_shops import SHOPS, DemoShop
from lengow.console.logs import LineFormatter
from lengow.console.serving import webhook_server
from lengow.console.web import create_site
from lengow.console.web.routes import PAGES
from lengow.sandbox import Fault, Sandbox
from lengow.sandbox.clock import Clock
from lengow.webhooks import create_app

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "correct horse battery"
SMTP_PASSWORD, METRICS_TOKEN, FEED_SECRET = "MARKED-smtp-password", "MARKED-metrics-token", "MARKED-feed-secret-1234567"
PLAIN_OPTIONS = {"url", "database", "sales_channel", "carrier", "taxes"}


class Keeper(logging.Handler):
    """Every record, as the command line writes it, and all that is in it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.facts: list[str] = []
        self.setFormatter(LineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        if record.name.startswith("lengow"):
            self.facts.append(repr(vars(record)))


class Run:
    """What a run left behind, and the secrets that it used."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.shown: dict[str, str] = {}

    def leaks(self) -> list[str]:
        return [
            f"{name} is in {place}: …{text[max(0, text.index(secret) - 80) :][:200]}…"
            for name, secret in self.secrets.items()
            for place, text in self.shown.items()
            if secret in text
        ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("secrets")
    root, ours, keeper = logging.getLogger(), logging.getLogger("lengow"), Keeper()
    levels = root.level, ours.level  # a command that a test ran in this process may have set them
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.NOTSET)
    try:
        with ExitStack() as stack:
            yield whole_run(folder, stack, keeper)
    finally:
        root.removeHandler(keeper)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def whole_run(folder: Path, stack: ExitStack, keeper: Keeper) -> Run:
    run = Run()
    sandbox = stack.enter_context(Sandbox(quota_per_minute=0))
    account, clock = sandbox.add_account("main"), Clock()
    shops = {kind.platform: kind(clock, folder) for kind in SHOPS}
    for shop in shops.values():
        stack.callback(shop.close)
    settings = settings_of(folder, sandbox, account, shops)
    connector = stack.enter_context(Connector(settings, clock=clock.now))
    run.secrets |= {"access_token": account.access_token, "secret": account.secret}
    run.secrets |= {"smtp": SMTP_PASSWORD, "metrics": METRICS_TOKEN, "feed": FEED_SECRET, "password": PASSWORD}
    for name, shop in shops.items():
        run.secrets[f"{name} webhook"] = shop.secret.removeprefix("whsec_")
        run.secrets |= {
            f"{name} {key}": value for key, value in shop.options.items() if key not in PLAIN_OPTIONS and value
        }

    def advance(**by: float) -> None:
        sandbox.advance(**by)
        clock.jump(timedelta(**by))

    for place in range(len(shops)):
        sandbox.sell(account.account_id, 4, {"standard": 4}, marketplace="manomano_fr", catalog_id=3131 + place)
    advance(minutes=15)
    connector.sync()
    with webhook_server(connector, "127.0.0.1", 0, threads=2) as url:
        for name, shop in shops.items():
            shop.listen(f"{url}{name}", lambda name=name, url=url: connector.connect(name, f"{url}{name}"))
            shop.ship()
            shop.tell()
    advance(minutes=15)
    connector.sync()
    advance(hours=1)
    connector.sync()
    told = [refused(connector, sandbox, name) for name in shops]
    told += failing(connector, sandbox, shops, advance)
    run.secrets["token of Lengow"] = connector.context.client("main")._transport._token  # type: ignore[attr-defined]
    assert len(connector.store.list_orders(OrderFilter(limit=100))) == 4 * len(shops)
    run.shown["the errors"] = "\n".join(told)
    run.shown["the settings as they show themselves"] = repr(settings) + repr(connector) + repr(vars(connector))
    run.shown["the adapters as they show themselves"] = "".join(repr(connector.context.adapter(name)) for name in shops)
    run.shown["the doctor's findings"] = repr(connector.doctor())
    run.shown["the metrics"] = metrics(connector)
    run.shown["the pages"] = pages(connector)
    run.shown["the log"] = "\n".join(keeper.lines)
    run.shown["the facts of our own records"] = "\n".join(keeper.facts)
    connector.close()
    for path in folder.glob("**/*"):
        if path.is_file() and ".db" in path.name:
            run.shown[f"the file {path.name}"] = path.read_bytes().decode("latin-1")
    return run


def settings_of(folder: Path, sandbox: Sandbox, account: Any, shops: dict[str, DemoShop]) -> Settings:
    feed = {
        "shop": "woocommerce",
        "marketplace": "manomano_fr",
        "path": str(folder / "feed.csv"),
        "secret": FEED_SECRET,
    }
    return Settings(
        accounts={
            "main": Account(
                access_token=Secret(account.access_token), secret=Secret(account.secret), base_url=sandbox.url
            )
        },
        shops={
            name: Shop(
                account="main",
                platform=name,
                catalogues=(3131 + place,),
                webhook_secrets=(Secret(shop.secret),),
                options={**shop.options, **({"key_in_query": True} if name == "prestashop" else {})},
            )
            for place, (name, shop) in enumerate(shops.items())
        },
        store=Store(url=f"sqlite:///{folder / 'lengow.db'}"),
        mail=Mail(
            host="127.0.0.1", port=9, sender="orders@shop.example", user="lengow", password=Secret(SMTP_PASSWORD)
        ),
        metrics=Metrics(token=Secret(METRICS_TOKEN)),
        sections={"feeds": {"all": feed}},
    )


def refused(connector: Connector, sandbox: Sandbox, name: str) -> str:
    """A delivery that nobody signed."""
    with pytest.raises(SignatureError) as error:
        connector.receive(name, Request({"content-type": "application/json"}, b"{}"))
    return f"{error.value!r} {error.value} {error.value.about}"


def failing(connector: Connector, sandbox: Sandbox, shops: dict[str, DemoShop], advance: Any) -> list[str]:
    """Lengow and the shops in trouble, and what is said of it."""
    told = []
    for shop in shops.values():
        standin = getattr(shop, "_shop", None)
        if standin is not None:
            standin.server.down()
    sandbox.fault(Fault("status", status=500, path="/v3.0/orders/", times=2))
    advance(hours=2)
    connector.sync()
    for name in shops:
        try:
            told.append(repr(connector.context.adapter(name).find_order("nothing")))
        except LengowError as error:
            told.append(f"{error!r} {error} {error.about} {error.__cause__!r}")
    return told


def metrics(connector: Connector) -> str:
    client = create_app(connector).test_client()
    answers = [client.get("/metrics"), client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})]
    assert [answer.status_code for answer in answers] == [401, 200]
    return "".join(f"{answer.headers}{answer.text}" for answer in answers)


def pages(connector: Connector) -> str:
    with connector.store.transaction() as tx:
        tx.save_user(UserRow("anne", "admin", generate_password_hash(PASSWORD, "pbkdf2:sha256:1"), connector.now()))
    client = create_site(connector).test_client()
    found = re.search(r'name="form_token" value="([^"]+)"', client.get("/console/login").text)
    assert found is not None
    form = {"form_token": found[1], "name": "anne", "password": PASSWORD}
    assert client.post("/console/login", data=form).status_code == 303
    answers = [client.get("/console" + re.sub(r"<[^>]+>", "1", page.rule)) for page in PAGES if page.method == "GET"]
    assert sum(answer.status_code == 200 for answer in answers) > 12
    return "".join(answer.text for answer in answers)


def test_no_secret_is_shown_anywhere(run: Run) -> None:
    assert {"prestashop key", "magento access_token", "shopware secret_key", "token of Lengow"} <= set(run.secrets)
    assert all(len(secret) >= 8 for secret in run.secrets.values()), run.secrets
    assert run.leaks() == []


def test_what_is_searched_holds_what_it_should(run: Run) -> None:
    """Otherwise the test above would prove nothing."""
    assert "DEBUG urllib3" in run.shown["the log"]
    assert "DEBUG lengow" in run.shown["the log"] or "INFO lengow" in run.shown["the log"]
    assert "woocommerce" in run.shown["the settings as they show themselves"]
    assert "M2" in run.shown["the file lengow.db"] or "manomano_fr" in run.shown["the file lengow.db"]
    assert json.dumps("anne").strip('"') in run.shown["the pages"]


# Comparing


SIGNATURES = re.compile(r"signature|digest|hmac|secret|expected|password|token", re.IGNORECASE)
HARMLESS = {
    "self._token[0] == token": "Shopware: our own token with our own, kept one",
    "self._token != refused": "Lengow: our own token with our own, refused one",
    "request.cookies.get(COOKIE) != visit.token": "console: a visitor's cookie with what was made of it",
    "self._signer('form').loads(form.get('form_token', ''), max_age=FORM_SECONDS) == self.who": "after itsdangerous",
    "bool(mail.user) != bool(mail.password)": "whether both are there",
    "before == (seen, expected)": "no secret",
    "one.state != expected": "no secret",
    "sum(map(hash, _rows(writing, table, columns))) != digest": "no secret",
}


def comparisons() -> Iterator[tuple[Path, str]]:
    for folder in ("connector", "adapters", "webhooks", "feeds", "console", "invoices"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Compare) and any(
                    isinstance(op, ast.Eq | ast.NotEq | ast.In) for op in node.ops
                ):
                    sides = [node.left, *node.comparators]
                    if not any(isinstance(side, ast.Constant) for side in sides):
                        yield path, ast.unparse(node)


def test_signatures_and_secrets_are_never_compared_by_equality() -> None:
    """`==` takes longer the more of it fits."""
    found = {text: path for path, text in comparisons() if SIGNATURES.search(text)}
    assert {text: path for text, path in found.items() if text not in HARMLESS} == {}


def test_every_check_of_a_signature_compares_in_constant_time() -> None:
    checks = [
        path
        for folder in ("adapters", "webhooks", "feeds")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bhmac\.(new|digest)\(", path.read_text())
    ]
    assert len(checks) >= 4
    assert [str(path) for path in checks if "compare_digest(" not in path.read_text()] == []


def test_tls_is_never_switched_off() -> None:
    off = re.compile(
        r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified|assert_hostname\s*=\s*False"
    )
    files = [
        path
        for folder in ("connector", "adapters", "webhooks", "feeds", "console", "invoices")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert [str(path) for path in files if off.search(path.read_text())] == []
