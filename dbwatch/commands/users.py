"""`dbwatch users`: people who may sign in to the dashboard."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from connectors.accounts import Account, Accounts
from connectors.errors import ConfigError
from connectors.passwords import LONGEST_PASSWORD, ROLES, generated_password
from connectors.redis_client import connect, reached
from connectors.settings import Settings

_one_time = click.option("--one-time", is_flag=True, help="The password signs in once, then no more.")
_from_stdin = click.option("--password-stdin", is_flag=True, help="Take the password from the first line of stdin.")
_role = click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What they may do.")


@click.group("users")
def command() -> None:
    """Add, change and list the people who may sign in to the dashboard."""


@command.command("add")
@click.argument("name")
@_role
@_one_time
@_from_stdin
def add(*, name: str, role: str, one_time: bool, password_stdin: bool) -> None:
    """Add a user.

    The password is asked for at a terminal; where nothing is given, one is made and printed, once.
    """
    password, made = _password(from_stdin=password_stdin, ask=not one_time)
    account = _accounts().add(name, password, role=role, one_time=one_time)
    click.echo(f"user {account.name} added, role {account.role}", err=True)
    _tell(password, made=made, one_time=one_time)


@command.command("passwd")
@click.argument("name")
@_one_time
@_from_stdin
def passwd(*, name: str, one_time: bool, password_stdin: bool) -> None:
    """Give a user a new password, which ends their sessions."""
    password, made = _password(from_stdin=password_stdin, ask=not one_time)
    _accounts().set_password(name, password, one_time=one_time)
    click.echo(f"password of {name} changed; their sessions have ended", err=True)
    _tell(password, made=made, one_time=one_time)


@command.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
def role(*, name: str, role: str) -> None:
    """Change what a user may do."""
    _accounts().set_role(name, role)
    click.echo(f"{name} is now {role}", err=True)


@command.command("remove")
@click.argument("name")
def remove(*, name: str) -> None:
    """Remove a user, which ends their sessions."""
    _accounts().remove(name)
    click.echo(f"user {name} removed; their sessions have ended", err=True)


@command.command("list")
def list_() -> None:
    """List the users."""
    accounts = _accounts().all()
    if not accounts:
        click.echo("no users yet; `dbwatch users add NAME` makes one", err=True)
        return
    widest = max(len(account.name) for account in accounts)
    for account in accounts:
        click.echo(f"{account.name:<{widest}}  {account.role:<6}  {_since(account)}{_state(account)}")


def _accounts() -> Accounts:
    settings = Settings.load()
    return Accounts(reached(connect(settings.redis_url), settings.redis_url), settings.keys)


def _password(*, from_stdin: bool, ask: bool) -> tuple[str, bool]:
    """The password, and whether it was made here."""
    if from_stdin:
        line = sys.stdin.readline(2 * LONGEST_PASSWORD).rstrip("\r\n")
        if not line:
            raise ConfigError("--password-stdin: expected the password on the first line of stdin, found nothing")
        return line, False
    given = _asked() if ask and sys.stdin.isatty() else ""
    return (given, False) if given else (generated_password(), True)


def _asked() -> str:
    text: str = click.prompt(
        "Password (empty: make one)",
        hide_input=True,
        default="",
        show_default=False,
        confirmation_prompt=True,
        err=True,
    )
    return text


def _tell(password: str, *, made: bool, one_time: bool) -> None:
    if made:
        click.echo(f"password: {password}")
        click.echo(f"it is not shown again{' and signs in once' if one_time else ''}", err=True)


def _since(account: Account) -> str:
    return f"since {datetime.fromtimestamp(account.created_ms / 1000, UTC):%Y-%m-%d}"


def _state(account: Account) -> str:
    if not account.one_time:
        return ""
    return "  one-time password, used" if account.used else "  one-time password"
