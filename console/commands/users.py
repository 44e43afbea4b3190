"""`lengow-connector users`: who may enter the console in the browser."""

import sys
from typing import TYPE_CHECKING, Any

import click

from lengow.console.commands.common import as_json, connector_of, operator

if TYPE_CHECKING:
    from lengow.connector import Connector

ROLES = ("viewer", "operator", "admin")

by_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input's first line.")


@click.group()
def users() -> None:
    """Say who may enter the console in the browser."""


@users.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@by_stdin
@click.pass_obj
def users_add(config: str | None, name: str, role: str, password_stdin: bool) -> None:
    """Let NAME in: a viewer sees, an operator also acts, an admin also manages users. Asks for a password."""
    people = people_module()
    with connector_of(config) as connector:
        people.add_user(connector.store, name, role, asked_password(from_stdin=password_stdin), connector.now())
        note(connector, f"user {name} added as {role}")
    click.echo(f"{name} may enter the console as {role}.")


@users.command("list")
@as_json
@click.pass_obj
def users_list(config: str | None, as_json: bool) -> None:
    """List who may enter, with role and open sessions."""
    from lengow.console.tables import print_json, show_table

    with connector_of(config) as connector:
        now = connector.now()
        open_sessions = [one.user for one in connector.store.sessions() if one.expires_at > now]
        rows: list[dict[str, Any]] = [
            {"name": one.name, "role": one.role, "sessions": open_sessions.count(one.name), "since": one.created_at}
            for one in connector.store.users()
        ]
    if as_json:
        print_json(rows)
    else:
        show_table(
            ("name", "role", "sessions", "since"),
            [(row["name"], row["role"], str(row["sessions"]), f"{row['since']:%Y-%m-%d}") for row in rows],
        )


@users.command("password")
@click.argument("name")
@by_stdin
@click.pass_obj
def users_password(config: str | None, name: str, password_stdin: bool) -> None:
    """Set a new password for NAME; open sessions end."""
    people = people_module()
    with connector_of(config) as connector:
        people.set_password(connector.store, name, asked_password(from_stdin=password_stdin))
        note(connector, f"user {name}: password changed")
    click.echo(f"{name} has a new password, and has to log in with it.")


@users.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@click.pass_obj
def users_role(config: str | None, name: str, role: str) -> None:
    """Give NAME another ROLE, at once."""
    people = people_module()
    with connector_of(config) as connector:
        people.set_role(connector.store, name, role)
        note(connector, f"user {name}: {role}")
    click.echo(f"{name} is {role} now.")


@users.command("remove")
@click.argument("name")
@click.pass_obj
def users_remove(config: str | None, name: str) -> None:
    """Let NAME in no more; open sessions end."""
    people = people_module()
    with connector_of(config) as connector:
        people.remove_user(connector.store, name)
        note(connector, f"user {name} removed")
    click.echo(f"{name} may enter no more.")


def asked_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def note(connector: "Connector", detail: str) -> None:
    from lengow.connector.store.rows import JournalEntry

    with connector.store.transaction() as tx:
        tx.note([JournalEntry(connector.now(), None, None, "user_changed", detail, operator())])


def people_module() -> Any:
    from lengow.console.serving import console_package

    console_package()
    from lengow.console.web import people

    return people
