"""A person is told by mail what waits for them: once, only what is new, at most once an hour."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mail_server import MailServer, mail_server

from lengow.connector import SettingsError
from lengow.connector.digest import Digest, Problem
from lengow.connector.digest_text import LISTED, digest_text
from lengow.connector.mail import Mail
from lengow.connector.model import OrderState, StepKind
from lengow.connector.reasons import REASONS
from lengow.connector.reasons_french import REASONS_FRENCH
from lengow.connector.settings import Digest as DigestSettings
from lengow.console.cli import cli
from lengow.sandbox import Fault

ACTIONS = "/v3.0/orders/actions/"
BROKEN = {"total_order": "-1"}
"""An order that Lengow could not convert: it fails, and waits for a person."""


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def merchant(make_merchant: Callable[..., Any], server: MailServer) -> Any:
    """Told in French."""
    return make_merchant(
        account={"digest": DigestSettings(to=("ops@shop.example",), language="fr")},
        mail=Mail(host="127.0.0.1", port=server.port, security="none", sender="shop@shop.example"),
    )


def sync(merchant: Any) -> None:
    """The round of an hour later."""
    merchant.sandbox.advance(minutes=61)
    assert merchant.sync().errors == ()


def texts(server: MailServer) -> list[str]:
    return [mail.get_content() for mail in server.mails]


def test_a_failed_order_is_told_once_in_the_accounts_language(merchant: Any, server: MailServer) -> None:
    sync(merchant)
    assert server.mails == [], "nothing is wrong, and nothing is sent"
    order_id = merchant.sells_raw(BROKEN)
    sync(merchant)
    [mail] = server.mails
    assert mail["To"] == "ops@shop.example"
    assert mail["Content-Language"] == "fr"
    assert "à traiter" in mail["Subject"]
    assert f"main/manomano_fr/{order_id} : {REASONS_FRENCH['no_exchange_rate'].sentence}" in mail.get_content()
    sync(merchant)
    merchant.restart()
    sync(merchant)
    assert len(server.mails) == 1, "it was told, also to the next process"


def test_at_most_one_an_hour_goes_out(merchant: Any, server: MailServer) -> None:
    first = merchant.sells_raw(BROKEN)
    sync(merchant)
    for _ in range(3):
        second = merchant.sells_raw(BROKEN)
        merchant.sync()
    assert len(server.mails) == 1
    sync(merchant)
    _, text = texts(server)
    assert second in text
    assert first not in text
    assert "4" in text.splitlines()[-2], "how many are open in all"


def test_what_was_mended_and_comes_back_is_told_anew(merchant: Any, server: MailServer) -> None:
    order_id = merchant.sells_raw(BROKEN)
    sync(merchant)
    order = merchant.order(order_id).order
    for state, reason in ((OrderState.SKIPPED, "no_shop"), (order.state, order.reason)):
        with merchant.connector.store.transaction() as tx:
            tx.set_order_states([(order.id, state, reason, "", merchant.sandbox.now())])
        sync(merchant)
    assert [order_id in text for text in texts(server)] == [True, True]


def test_a_late_order_is_told_when_it_is_near_and_when_it_is_late(merchant: Any, server: MailServer) -> None:
    [order_id] = merchant.sells()
    merchant.sync()
    for _ in range(8):
        merchant.sandbox.advance(minutes=24 * 60)
        merchant.sync()
    assert [
        REASON in text and order_id in text for text in texts(server) for REASON in ("À expédier", "En retard")
    ] == [
        True,
        False,
        False,
        True,
    ]


def test_an_order_that_waits_for_a_product_is_told_and_so_is_its_deadline(
    make_merchant: Callable[..., Any], server: MailServer
) -> None:
    merchant = make_merchant(
        name="main",
        account={"digest": DigestSettings(to=("ops@shop.example",))},
        mail=Mail(host="127.0.0.1", port=server.port, security="none", sender="Lengow <shop@shop.example>"),
        options={"products_table": "products"},
    )
    near: list[str] = []
    merchant.connector.signals.deadline_near.connect(
        lambda _, *, order, **__: near.append(order.marketplace_order_id), weak=False
    )
    merchant.run("CREATE TABLE products (sku TEXT PRIMARY KEY, stock INTEGER)")
    [order_id] = merchant.sells()
    merchant.sync()
    assert merchant.state(order_id) == ("waiting", "unknown_product")
    sync(merchant)
    merchant.sandbox.advance(days=9)
    sync(merchant)
    assert [order_id in text for text in texts(server)] == [True, True]
    assert near == [order_id]
    assert [one.order.marketplace_order_id for one in merchant.connector.late_orders()] == [order_id]


def test_a_refused_confirmation_and_a_held_step_are_told_by_their_order(merchant: Any, server: MailServer) -> None:
    refused, held = merchant.sells(2)
    merchant.sync()
    merchant.sandbox.fault(Fault("status", method="POST", path=ACTIONS, status=400, body='{"carrier": ["Unknown"]}'))
    merchant.connector.ship("main", "manomano_fr", refused, carrier="DPD", tracking_number="1")
    store = merchant.connector.store
    package = merchant.order(held).packages[0]
    with store.transaction() as tx:
        for step in tx.claim(StepKind.REPORT, merchant.sandbox.now(), merchant.sandbox.now(), limit=9, force=True):
            tx.hold(step, "lengow_refused: no")
        tx.add_steps([_report(package.order_id, merchant)], renew=False)
    with store.transaction() as tx:
        [step] = tx.claim(StepKind.REPORT, merchant.sandbox.now(), merchant.sandbox.now(), limit=9, force=True)
        tx.hold(step, "lengow_refused: no")
    sync(merchant)
    sync(merchant)
    told = "\n".join(texts(server))
    assert f"main/manomano_fr/{refused} : ship failed" in told
    assert "Unknown" in told
    assert f"main/manomano_fr/{held} : report" in told


def test_a_server_that_is_down_delays_it_and_it_comes_once(merchant: Any, server: MailServer) -> None:
    merchant.sells_raw(BROKEN)
    server.says["MAIL"] = "451 come back"
    sync(merchant)
    [step] = merchant.connector.store.steps(kind=StepKind.DIGEST)
    assert step.error == "digest_not_mailed: shop@shop.example: 451 come back"
    assert not step.held
    del server.says["MAIL"]
    sync(merchant)
    sync(merchant)
    assert len(server.mails) == 1


def test_after_an_answer_that_was_lost_it_comes_again_under_the_same_message_id(
    merchant: Any, server: MailServer
) -> None:
    merchant.sells_raw(BROKEN)
    server.hangs_up = "after"
    sync(merchant)
    server.hangs_up = ""
    sync(merchant)
    sync(merchant)
    first, again = server.mails
    assert first["Message-ID"] == again["Message-ID"]


def test_a_host_can_listen_instead(make_merchant: Callable[..., Any]) -> None:
    merchant = make_merchant(account={"digest": DigestSettings()})
    heard: list[tuple[str, Digest]] = []

    def hear(sender: object, *, account: str, digest: Digest, **_: Any) -> None:
        heard.append((account, digest))

    merchant.connector.signals.digest_due.connect(hear)
    order_id = merchant.sells_raw(BROKEN)
    sync(merchant)
    sync(merchant)
    [(account, digest)] = heard
    assert account == "main"
    assert [(one.subject, one.reason) for one in digest.new] == [(f"main/manomano_fr/{order_id}", "no_exchange_rate")]
    assert digest.open == {"failed_order": 1}


def test_in_the_background_it_is_sent_too(merchant: Any, server: MailServer) -> None:
    import time

    merchant.sells_raw(BROKEN)
    merchant.sync()
    merchant.sandbox.advance(minutes=61)
    merchant.connector.start()
    ends = time.monotonic() + 60
    while not server.mails and time.monotonic() < ends:
        time.sleep(0.02)
    assert merchant.connector.stop()
    assert len(server.mails) == 1


def test_without_a_digest_in_the_settings_there_is_no_step(make_merchant: Callable[..., Any]) -> None:
    merchant = make_merchant()
    merchant.sync()
    assert merchant.connector.store.steps(kind=StepKind.DIGEST) == []
    with pytest.raises(SettingsError, match="no digest"):
        merchant.connector.send_digest("main")


def test_recipients_need_a_mail_server(make_merchant: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match=r"there is no \[mail\]"):
        make_merchant(account={"digest": DigestSettings(to=("ops@shop.example",))})


class TestCommand:
    @pytest.fixture
    def run(self, merchant: Any, server: MailServer, tmp_path: Any) -> Callable[..., Result]:
        file = tmp_path / "lengow.toml"
        file.write_text(
            f"""
            [store]
            url = "{merchant.settings().store.url}"
            [mail]
            host = "127.0.0.1"
            port = {server.port}
            security = "none"
            sender = "shop@shop.example"
            [accounts.main]
            access_token = "{merchant.account.access_token}"
            secret = "{merchant.account.secret}"
            [accounts.main.digest]
            to = ["ops@shop.example"]
            [shops.b2c]
            account = "main"
            platform = "generic"
            """,
            encoding="utf-8",
        )
        return lambda *words: CliRunner().invoke(cli, ["--config", str(file), "digest", *words], standalone_mode=False)

    def test_a_dry_run_shows_it_and_sends_nothing(self, merchant: Any, server: MailServer, run: Any) -> None:
        merchant.sync()
        order_id = merchant.sells_raw(BROKEN)
        merchant.sync()
        shown = run("--dry-run")
        assert f"main/manomano_fr/{order_id}: {REASONS['no_exchange_rate'].sentence}" in shown.output
        assert REASONS_FRENCH["no_exchange_rate"].sentence in run("--dry-run", "--language", "fr").output
        assert server.mails == []

    def test_it_is_sent_by_hand_without_waiting_for_the_hour(self, merchant: Any, server: MailServer, run: Any) -> None:
        merchant.sync()
        merchant.sells_raw(BROKEN)
        merchant.sync()
        assert run().output == "main: sent, 1 new.\n"
        assert run().output == "main: nothing new.\n"
        assert len(server.mails) == 1

    def test_what_the_server_refuses_is_said_and_ends_with_3(self, merchant: Any, server: MailServer, run: Any) -> None:
        merchant.sync()
        merchant.sells_raw(BROKEN)
        merchant.sync()
        server.says["ops@shop.example"] = "550 No such user"
        done = run()
        assert done.output == "main: not sent: ops@shop.example: 550 No such user\n"
        assert done.return_value == 3


def test_each_reason_has_its_french() -> None:
    assert REASONS_FRENCH.keys() == REASONS.keys()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_of_very_many_the_first_are_listed_and_the_others_counted(merchant: Any, language: Any) -> None:
    many = tuple(
        Problem("failed_order", f"failed_order {number}", f"main/manomano_fr/M{number}", "gave_up", "x\ny " * 1000)
        for number in range(LISTED + 75)
    )
    subject, text = digest_text(Digest("main", merchant.sandbox.now(), many, {"failed_order": 100}), language)
    assert "100" in subject
    assert sum("/M" in line for line in text.splitlines()) == LISTED
    assert "75" in text
    assert len(text) < 20_000


def _report(order_id: int, merchant: Any) -> Any:
    from lengow.connector.store.rows import NewStep

    return NewStep(StepKind.REPORT, str(order_id), merchant.sandbox.now(), account="main")


def test_the_doctor_looks_at_the_mail_server(merchant: Any, server: MailServer) -> None:
    [well] = [one for one in merchant.connector.doctor() if one.kind == "mail"]
    assert (well.name, well.findings[0].ok) == ("127.0.0.1", True)
    assert server.mails == []


def test_the_doctor_says_why_no_mail_would_leave(make_merchant: Callable[..., Any], server: MailServer) -> None:
    mail = Mail(host="127.0.0.1", port=server.port, security="starttls", sender="shop@shop.example")
    merchant = make_merchant(mail=mail)
    [examined] = [one for one in merchant.connector.doctor() if one.kind == "mail"]
    [finding] = examined.findings
    assert not finding.ok
    assert "STARTTLS" in finding.sentence
    assert "[mail]" in finding.what_to_do
