"""`lengow-connector`: the command line. Heavy imports stay inside the commands, so that `--help` is quick.

Exit codes: 0 done; 2 usage or settings are wrong; 3 done, but something failed and waits (it is said what); 130 stopped
by Ctrl-C. Anything else is a fault of ours.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from datetime import datetime

    from lengow.connector import Connector

FAILURES_LEFT = 3
USAGE = 2

ENDING = "Ending what is under way; a second signal ends it at once."


def one_of(words: Callable[[], Iterable[str]]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Refuse an option's value that is none of `words`, which are asked for only then: `--help` need not import them."""

    def check(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
        known = [str(word) for word in words()] if value is not None else []
        if value is not None and value not in known:
            text = f"{value!r} is none of: {', '.join(known)}. {_nearest(value, known)}".rstrip()
            raise click.BadParameter(text, context, option)
        return value

    return check


def _order_states() -> Iterable[str]:
    from lengow.connector.model import OrderState

    return OrderState


def _action_states() -> Iterable[str]:
    from lengow.connector.model import ActionState

    return ActionState


def _event_states() -> Iterable[str]:
    from lengow.connector.model import EventState

    return EventState


def _step_kinds() -> Iterable[str]:
    from lengow.connector.model import StepKind

    return StepKind


def _reasons() -> Iterable[str]:
    from lengow.connector.reasons import REASONS

    return REASONS


limited = click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def main() -> None:
    """Run the command line; a user's mistake ends in a sentence, never in a traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        from lengow.connector.errors import LengowError, SettingsError

        if not isinstance(error, LengowError):
            raise
        click.echo(f"{error.code}: {error}\n{error.what_to_do}", err=True)
        sys.exit(USAGE if isinstance(error, SettingsError) else FAILURES_LEFT)
    sys.exit(code if isinstance(code, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="Settings file; else $LENGOW_CONFIG, else ./lengow.toml.")
@click.option("-v", "--verbose", count=True, help="Log more than warnings to standard error; twice for all.")
@click.version_option(package_name="lengow-connector")
@click.pass_context
def cli(context: click.Context, config: str | None, verbose: int) -> None:
    """Bring Lengow's marketplace orders into shops exactly once, and their shipments back."""
    from lengow.console.logs import set_up_logs

    context.obj = config
    set_up_logs(verbose)


@cli.command()
@click.argument("path", default="lengow.toml", required=False)
def init(path: str) -> None:
    """Write a commented settings file to PATH (lengow.toml)."""
    from lengow.console.template import write_template

    write_template(path)
    click.echo(f"Wrote {path}. Put the keys into the environment variables it names, then: lengow-connector sync")


@cli.command()
@click.option("--account", help="Only this account.")
@click.option(
    "--since", type=click.DateTime(), help="UTC: what changed at Lengow from then on, not since the last sync."
)
@click.option("--until", type=click.DateTime(), help="UTC: up to then; together with --since.")
@click.option("--dry-run", is_flag=True, help="Show what would be created and sent; write and send nothing.")
@as_json
@click.pass_obj
def sync(
    config: str | None,
    account: str | None,
    since: "datetime | None",
    until: "datetime | None",
    dry_run: bool,
    as_json: bool,
) -> int:
    """One round now, to its end: import, create, events, send, report, outcomes.

    Exit code 3 when a round had an error or was not run, an order is failed, or a step is held for a person.
    """
    from lengow.console import output

    if dry_run:
        with _connector(config) as connector:
            _known(connector, account=account)
            accounts = [account] if account else list(connector.settings.accounts)
            output.show_dry_runs([connector.preview(name) for name in accounts], as_json=as_json)
        return 0
    with _connector(config) as connector:
        _known(connector, account=account)
        with output.progress(quiet=as_json) as progress:
            rounds = connector.sync(account, since=_utc(since), until=_utc(until), progress=progress)
        waiting = [output.waiting_for_a_person(connector, one.account) for one in rounds]
    output.show_rounds(rounds, waiting, as_json=as_json)
    failed = any(one.imported is None or one.imported.error is not None or one.errors for one in rounds)
    return FAILURES_LEFT if failed or any(waiting) else 0


@cli.command()
@click.pass_obj
def run(config: str | None) -> None:
    """Run the schedule: changed orders every 15 minutes, the last 3 days once a day. SIGTERM ends it cleanly."""
    from lengow.console.serving import ended_by_signal

    with ended_by_signal() as wait, _connector(config) as connector:
        connector.start()
        click.echo("Running; SIGTERM or Ctrl-C ends it.", err=True)
        wait()
        click.echo(ENDING, err=True)
        _stop(connector)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 256))
@click.option("--run/--no-run", "with_schedule", default=False, help="Run the schedule in the same process.")
@click.pass_obj
def serve(config: str | None, host: str, port: int, threads: int, with_schedule: bool) -> None:
    """Serve the webhook receiver under waitress: POST /webhooks/SHOP."""
    from lengow.console.serving import ended_by_signal, webhook_server

    with ended_by_signal() as wait, _connector(config) as connector:
        with webhook_server(connector, host, port, threads) as url:
            if with_schedule:
                connector.start()
            click.echo(f"Serving {url}SHOP; SIGTERM or Ctrl-C ends it.", err=True)
            wait()
            click.echo(ENDING, err=True)
        _stop(connector)


@cli.group()
def orders() -> None:
    """Look at orders, and try failed ones again."""


@orders.command("list")
@click.option("--account")
@click.option("--shop")
@click.option("--marketplace")
@click.option(
    "--state", metavar="STATE", callback=one_of(_order_states), help="Such as waiting, skipped, created, failed."
)
@click.option("--reason", metavar="CODE", callback=one_of(_reasons), help="Such as delivered_by_marketplace_disabled.")
@limited
@as_json
@click.pass_obj
def orders_list(config: str | None, /, limit: int, as_json: bool, **wanted: Any) -> None:
    """List orders, newest first."""
    from lengow.connector.store.rows import OrderFilter
    from lengow.console import output

    with _connector(config) as connector:
        _known(connector, **{name: wanted[name] for name in ("account", "shop", "marketplace")})
        found = connector.store.list_orders(OrderFilter(limit=limit, **wanted))
    output.show_orders(found, as_json=as_json)


@orders.command("late")
@click.option("--hours", default=24.0, show_default=True, help="How near the deadline.")
@click.option("--account")
@as_json
@click.pass_obj
def orders_late(config: str | None, hours: float, account: str | None, as_json: bool) -> int:
    """Orders whose shipping deadline is past or near and whose shipment was not told; exit code 3 if there are any."""
    from lengow.console import output

    with _connector(config) as connector:
        _known(connector, account=account)
        found = connector.late_orders(within_hours=hours, account=account)
    output.show_orders(found, as_json=as_json)
    return FAILURES_LEFT if found else 0


@orders.command("show")
@click.argument("order")
@as_json
@click.pass_obj
def orders_show(config: str | None, order: str, as_json: bool) -> None:
    """Show one order: its packages, journal and actions. ORDER: number, or account/marketplace/number."""
    from lengow.console import output

    with _connector(config) as connector:
        stored = _found(connector, order)
        output.show_order(
            stored,
            connector.store.journal(stored.order.id),
            connector.store.actions_of(stored.order.id),
            as_json=as_json,
        )


@orders.command("retry")
@click.argument("order")
@as_json
@click.pass_obj
def orders_retry(config: str | None, order: str, as_json: bool) -> int:
    """Read ORDER anew from Lengow, decide again, and create it now if it can be."""
    from lengow.connector.model import OrderState
    from lengow.console import output

    with _connector(config) as connector:
        key = _found(connector, order).order.key
        connector.retry(key.account, key.marketplace, key.marketplace_order_id, who=_who())
        connector.work(key.account)
        stored = connector.order(key.account, key.marketplace, key.marketplace_order_id)
    output.show_orders([stored], as_json=as_json)
    return FAILURES_LEFT if stored.order.state is OrderState.FAILED else 0


@cli.group()
def actions() -> None:
    """Look at what was and will be told to the marketplaces."""


@actions.command("list")
@click.option("--account")
@click.option(
    "--state",
    metavar="STATE",
    callback=one_of(_action_states),
    help="Such as queued, sent, confirmed, refused, failed.",
)
@limited
@as_json
@click.pass_obj
def actions_list(config: str | None, account: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List actions, newest first."""
    from lengow.connector.model import ActionState
    from lengow.console import output

    states = [ActionState(state)] if state else []
    with _connector(config) as connector:
        _known(connector, account=account)
        found = connector.store.list_actions(account=account, states=states, limit=limit)
    output.show_actions(found, as_json=as_json)


@actions.command("send")
@click.argument("action", type=click.Choice(["accept", "refuse", "ship", "cancel", "refund"]))
@click.argument("order")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, such as carrier=DPD.")
@click.option("--line", "line_ids", multiple=True, metavar="ID", help="Only this line; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Check, and show what would be sent; send nothing.")
@as_json
@click.pass_obj
def actions_send(
    config: str | None,
    action: str,
    order: str,
    pairs: tuple[str, ...],
    line_ids: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Tell the marketplace of ORDER: checked against its rules, queued, and sent with the next round."""
    from lengow.console import output

    with _connector(config) as connector:
        key = _found(connector, order).order.key
        rows = connector.act(
            action,
            key.account,
            key.marketplace,
            key.marketplace_order_id,
            _arguments(pairs),
            line_ids=line_ids or None,
            who=_who(),
            dry_run=dry_run,
        )
    output.show_actions(rows, as_json=as_json)


@actions.command("retry")
@click.argument("action_id", type=int, metavar="ID")
@as_json
@click.pass_obj
def actions_retry(config: str | None, action_id: int, as_json: bool) -> None:
    """Try the refused, failed, given-up or stuck action ID again."""
    from lengow.console import output

    with _connector(config) as connector:
        rows = connector.retry_action(action_id, who=_who())
    output.show_actions(rows, as_json=as_json)


@cli.group()
def carriers() -> None:
    """Find the marketplaces' carriers for a shop's."""


@carriers.command("suggest")
@click.argument("account")
@click.argument("marketplace")
@click.argument("names", nargs=-1, required=True)
@as_json
@click.pass_obj
def carriers_suggest(config: str | None, account: str, marketplace: str, names: tuple[str, ...], as_json: bool) -> None:
    """The carriers of MARKETPLACE that are most like each of NAMES, with a score from 0 to 1."""
    from lengow.console import output

    with _connector(config) as connector:
        _known(connector, account=account)
        rows = [(name, connector.suggest_carriers(account, marketplace, name)) for name in names]
    output.show_suggestions(rows, as_json=as_json)


@cli.group()
def events() -> None:
    """Look at what the shops told."""


@events.command("list")
@click.option("--shop")
@click.option("--state", metavar="STATE", callback=one_of(_event_states), help="received, done, ignored, failed.")
@limited
@as_json
@click.pass_obj
def events_list(config: str | None, shop: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List shop events, newest first; failed ones with their reason."""
    from lengow.connector.model import EventState
    from lengow.console import output

    chosen = EventState(state) if state else None
    with _connector(config) as connector:
        _known(connector, shop=shop)
        found = connector.store.list_events(shop=shop, state=chosen, limit=limit)
    output.show_events(found, as_json=as_json)


@events.command("retry")
@click.argument("event_id", type=int, metavar="ID")
@click.pass_obj
def events_retry(config: str | None, event_id: int) -> None:
    """Work off event ID once more with the next round, after what stopped it was mended."""
    with _connector(config) as connector:
        connector.retry_event(event_id, who=_who())
    click.echo(f"Event {event_id} is worked off with the next round.")


@cli.group()
def steps() -> None:
    """Look at the work that is due, and at what is held for a person."""


@steps.command("list")
@click.option("--held", is_flag=True, help="Only what failed for good and waits for a person.")
@click.option(
    "--kind", metavar="KIND", callback=one_of(_step_kinds), help="Such as import, create, report, event, send."
)
@limited
@as_json
@click.pass_obj
def steps_list(config: str | None, held: bool, kind: str | None, limit: int, as_json: bool) -> None:
    """List steps, in the order in which they are due."""
    from lengow.connector.model import StepKind
    from lengow.console import output

    with _connector(config) as connector:
        found = connector.store.steps(kind=StepKind(kind) if kind else None, held=True if held else None, limit=limit)
    output.show_steps(found, as_json=as_json)


@steps.command("retry")
@click.argument("step_id", type=int, metavar="ID")
@click.pass_obj
def steps_retry(config: str | None, step_id: int) -> None:
    """Take up the held step ID again with the next round, after what stopped it was mended."""
    with _connector(config) as connector:
        connector.retry_step(step_id, who=_who())
    click.echo(f"Step {step_id} is taken up again with the next round.")


@cli.group()
def shop() -> None:
    """Look at shops, and switch their toggles."""


@shop.command("list")
@as_json
@click.pass_obj
def shop_list(config: str | None, as_json: bool) -> None:
    """List shops with their toggles."""
    from lengow.console import output

    with _connector(config) as connector:
        rows = [(name, one, connector.toggles(name)) for name, one in connector.settings.shops.items()]
    output.show_shops(rows, as_json=as_json)


@shop.command("set")
@click.argument("name")
@click.argument("toggle")
@click.argument("value", type=click.BOOL)
@click.pass_obj
def shop_set(config: str | None, name: str, toggle: str, value: bool) -> None:
    """Switch TOGGLE of shop NAME to VALUE (true or false). Orders skipped for it are decided again at the next sync."""
    with _connector(config) as connector:
        _known(connector, shop=name)
        connector.set_toggle(name, toggle, value, who=_who())
    click.echo(f"{name}: {toggle} = {str(value).lower()}")


@shop.command("connect")
@click.argument("name")
@click.argument("url")
@as_json
@click.pass_obj
def shop_connect(config: str | None, name: str, url: str, as_json: bool) -> int:
    """Have shop NAME send its webhooks to URL, such as https://…/webhooks/NAME. Safe to repeat."""
    from lengow.console import output

    with _connector(config) as connector:
        _known(connector, shop=name)
        findings = connector.connect(name, url)
    output.show_findings(findings, as_json=as_json)
    return 0 if all(one.ok for one in findings) else FAILURES_LEFT


@shop.command("check")
@click.argument("name")
@as_json
@click.pass_obj
def shop_check(config: str | None, name: str, as_json: bool) -> int:
    """Check that shop NAME is reachable and set up."""
    from lengow.console import output

    with _connector(config) as connector:
        _known(connector, shop=name)
        findings = connector.check(name)
    output.show_findings(findings, as_json=as_json)
    return 0 if all(one.ok for one in findings) else FAILURES_LEFT


@cli.command()
@as_json
@click.pass_obj
def doctor(config: str | None, as_json: bool) -> int:
    """Look at every account and shop: credentials, rights, clocks, toggles, last sync. Exit code 3 if one is not well."""
    from lengow.console import output

    with _connector(config) as connector:
        examined = connector.doctor()
    output.show_examined(examined, as_json=as_json)
    return 0 if all(finding.ok for one in examined for finding in one.findings) else FAILURES_LEFT


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> int:
    """Run a Lengow of your own, with ManoMano behind it, on this machine. `sandbox --help` lists its options."""
    from lengow.sandbox import main as run_sandbox

    return run_sandbox(list(arguments)) or 0


@cli.command()
@click.option("--orders", "count", default=200, show_default=True, type=click.IntRange(20, 20_000))
@as_json
def demo(count: int, as_json: bool) -> int:
    """Do the main job against a sandbox: sell, import into two shops, ship, confirm, compare the ledgers."""
    from lengow.console.demo import run_demo

    result = run_demo(count, as_json=as_json)
    return 0 if result.lost == result.doubled == 0 else FAILURES_LEFT


def _connector(config: str | None) -> "Connector":
    from lengow.connector import Connector, Settings

    return Connector(Settings.load(config))


def _stop(connector: "Connector") -> None:
    """End the schedule; where a thread does not end, end the process, which would wait for that thread for ever."""
    if not connector.stop():
        click.echo("Not all ended in time. Nothing is lost: the next start takes up what was under way.", err=True)
        sys.stdout.flush()
        os._exit(FAILURES_LEFT)


def _known(
    connector: "Connector", *, account: str | None = None, shop: str | None = None, marketplace: str | None = None
) -> None:
    """Refuse a name that is not in the settings, or a marketplace that Lengow does not describe and has no order."""
    from lengow.connector.store.rows import OrderFilter

    _refuse_unknown(account, connector.settings.accounts, "account")
    _refuse_unknown(shop, connector.settings.shops, "shop")
    if marketplace and not connector.store.list_orders(OrderFilter(marketplace=marketplace, limit=1)):
        described = {name for one in connector.settings.accounts for name in connector.store.marketplaces(one)}
        if described:  # else nothing was imported yet
            _refuse_unknown(marketplace, sorted(described), "marketplace")


def _refuse_unknown(name: str | None, among: Collection[str], what: str) -> None:
    from lengow.connector.errors import SettingsError

    if name is not None and name not in among:
        raise SettingsError(
            f"There is no {what} {name!r}; there are: {', '.join(among)}.",
            what_to_do=_nearest(name, among) or f"Name one of these for the {what}.",
        )


def _nearest(name: str, among: Collection[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, among, 1)
    return f"Did you mean {near[0]}?" if near else ""


def _found(connector: "Connector", name: str) -> Any:
    """The one order of this number, or of account/marketplace/number."""
    from lengow.connector.errors import OrderUnknown

    parts = name.split("/", 2)
    if len(parts) == 3 and parts[0] in connector.settings.accounts:
        return connector.order(*parts)
    found = connector.store.find_orders(name)
    if not found:
        raise OrderUnknown(f"There is no order {name}.", order=name)
    if len(found) > 1:
        keys = ", ".join(str(one.order.key) for one in found)
        raise click.UsageError(f"{name} is the number of several orders; name one of: {keys}")
    return found[0]


def _utc(moment: "datetime | None") -> "datetime | None":
    from datetime import UTC

    return moment.replace(tzinfo=UTC) if moment else None


def _arguments(pairs: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE texts as arguments."""
    arguments = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name:
            raise click.UsageError(f"--arg {pair!r} is not NAME=VALUE")
        arguments[name] = value
    return arguments


def _who() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
