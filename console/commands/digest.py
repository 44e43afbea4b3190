"""`lengow-connector digest`."""

from typing import Literal

import click

from lengow.console.commands.common import FAILURES_LEFT, connector_of, refuse_unknown


@click.command()
@click.option("--account", help="Only this account.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send nothing.")
@click.option("--language", type=click.Choice(["en", "fr"]), help="Show it in this language, not the configured one.")
@click.pass_obj
def digest(config: str | None, account: str | None, dry_run: bool, language: Literal["en", "fr"] | None) -> int:
    """Send now what waits for a person and was not told before. The schedule does so by itself, once an hour at most.

    Without --account: for each account that has a digest. Exit code 3 when a mail did not go out.
    """
    from lengow.connector.digest_text import digest_text

    failed = False
    with connector_of(config) as connector:
        refuse_unknown(connector, account=account)
        configured = [name for name, one in connector.settings.accounts.items() if one.digest]
        names = [account] if account else configured or (list(connector.settings.accounts) if dry_run else [])
        if not names:
            raise click.UsageError("No account has a digest; write [accounts.NAME.digest] into the settings.")
        for name in names:
            if dry_run:
                drawn_up = connector.digest(name)
                chosen = connector.settings.accounts[name].digest
                subject, text = digest_text(drawn_up, language or (chosen.language if chosen else "en"))
                click.echo(f"{subject}\n\n{text}" if drawn_up.new else f"{name}: nothing new.")
                continue
            sent = connector.send_digest(name)
            failed = failed or sent is None or bool(sent.error)
            click.echo(f"{name}: {_outcome(sent)}")
    return FAILURES_LEFT if failed else 0


def _outcome(sent: object) -> str:
    from lengow.connector.digest import DigestSent

    if not isinstance(sent, DigestSent):
        return "another process is at it."
    if sent.error:
        return f"not sent: {sent.error}"
    return f"sent, {len(sent.digest.new)} new." if sent.digest.new else "nothing new."
