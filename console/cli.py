"""`lengow-connector`: the command line. Heavy imports stay inside the commands, so that `--help` is quick.

Exit codes: 0 done; 2 usage or settings are wrong; 3 done, but something failed and waits (it is said what); 130 stopped
by Ctrl-C. Anything else is a fault of ours.
"""

import sys

import click

from lengow.console.commands.actions import actions
from lengow.console.commands.carriers import carriers
from lengow.console.commands.changes import changes
from lengow.console.commands.common import FAILURES_LEFT, USAGE
from lengow.console.commands.digest import digest
from lengow.console.commands.events import events
from lengow.console.commands.feed import feed
from lengow.console.commands.invoices import invoices
from lengow.console.commands.openapi import openapi
from lengow.console.commands.orders import orders
from lengow.console.commands.privacy import privacy
from lengow.console.commands.products import products
from lengow.console.commands.reconcile import reconcile
from lengow.console.commands.rounds import run, serve, sync
from lengow.console.commands.shop import doctor, shop
from lengow.console.commands.steps import steps
from lengow.console.commands.store import store
from lengow.console.commands.trying import demo, init, sandbox
from lengow.console.commands.users import users
from lengow.console.commands.worker import worker


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


for command in (
    init,
    sync,
    reconcile,
    run,
    serve,
    openapi,
    worker,
    orders,
    products,
    actions,
    carriers,
    changes,
    events,
    invoices,
    steps,
    shop,
    users,
    store,
    digest,
    feed,
    doctor,
    privacy,
    sandbox,
    demo,
):
    cli.add_command(command)
