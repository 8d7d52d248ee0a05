"""`dbwatch users`: people who may sign in to the dashboard."""

from __future__ import annotations

import sys

import click
from redis import Redis

from connectors.accounts import Accounts
from connectors.audit import MOST, Audit, AuditEntry
from connectors.errors import ConfigError
from connectors.passwords import LONGEST_PASSWORD, ROLES, generated_password
from connectors.redis_client import connect, reached
from connectors.settings import Keys, Settings
from dbwatch.operator_name import operator_name
from dbwatch.user_lines import audit_json, audit_table, user_json, user_table

_one_time = click.option("--one-time", is_flag=True, help="The password signs in once, then no more.")
_from_stdin = click.option("--password-stdin", is_flag=True, help="Take the password from the first line of stdin.")
_force = click.option("--force", is_flag=True, help="Also when nobody would be admin then.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group("users")
def command() -> None:
    """Add, change and list the people who may sign in to the dashboard."""


@command.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What they may do; else the first user is admin, others viewer.")
@click.option("--by-provider", is_flag=True, help="No password: they sign in by the provider of the dashboard.")
@_one_time
@_from_stdin
def add(*, name: str, role: str | None, by_provider: bool, one_time: bool, password_stdin: bool) -> None:
    """Add a user.

    The password is asked for at a terminal; where nothing is given, one is made and printed, once.
    """
    if by_provider and (one_time or password_stdin):
        raise ConfigError("--by-provider: such a user has no password; leave out --one-time and --password-stdin")
    desk = _Desk()
    given = role or ("viewer" if desk.accounts.all() else "admin")
    password, made = ("", False) if by_provider else _password(from_stdin=password_stdin, ask=not one_time)
    if by_provider:
        account = desk.accounts.add_by_provider(name, role=given)
    else:
        account = desk.accounts.add(name, password, role=given, one_time=one_time)
    desk.note(f"added {account.name} as {account.role}{', by a provider' if by_provider else ''}")
    first = "" if role or given == "viewer" else ", being the first user"
    click.echo(f"user {account.name} added, role {account.role}{first}", err=True)
    _tell(password, made=made, one_time=one_time)


@command.command("passwd")
@click.argument("name")
@_one_time
@_from_stdin
def passwd(*, name: str, one_time: bool, password_stdin: bool) -> None:
    """Give a user a new password, which ends their sessions."""
    desk = _Desk()
    password, made = _password(from_stdin=password_stdin, ask=not one_time)
    desk.accounts.set_password(name, password, one_time=one_time)
    desk.note(f"gave {name} a new password")
    click.echo(f"password of {name} changed; their sessions have ended", err=True)
    _tell(password, made=made, one_time=one_time)


@command.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@_force
def role(*, name: str, role: str, force: bool) -> None:
    """Change what a user may do."""
    desk = _Desk()
    desk.accounts.set_role(name, role, force=force)
    desk.note(f"made {name} {role}")
    click.echo(f"{name} is now {role}", err=True)


@command.command("remove")
@click.argument("name")
@_force
def remove(*, name: str, force: bool) -> None:
    """Remove a user and what is theirs, which ends their sessions."""
    desk = _Desk()
    desk.accounts.remove(name, force=force)
    desk.note(f"removed {name}")
    click.echo(f"user {name} removed; their sessions have ended", err=True)


@command.command("list")
@_json
def list_(*, as_json: bool) -> None:
    """List the users."""
    accounts = _Desk().accounts.all()
    if not accounts:
        click.echo("no users yet; `dbwatch users add NAME` makes one", err=True)
    for line in map(user_json, accounts) if as_json else user_table(accounts):
        click.echo(line)


@command.command("audit")
@click.option("-n", "--count", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="How many.")
@_json
def audit(*, count: int, as_json: bool) -> None:
    """Print the newest entries of the audit, newest first: sign-ins, exports, changes of users and settings."""
    audit, before = _Desk().audit, None
    entries: list[tuple[str, AuditEntry]] = []
    while len(entries) < count:
        page = audit.page(min(MOST, count - len(entries)), before=before)
        entries += page.entries
        before = page.older
        if before is None:
            break
    if not entries:
        click.echo("the audit is empty", err=True)
    for line in (audit_json(*found) for found in entries) if as_json else audit_table(entries):
        click.echo(line)


class _Desk:
    """The accounts of the settings, and the audit, in which every change made here is noted."""

    def __init__(self) -> None:
        settings = Settings.load()
        client: Redis = reached(connect(settings.redis_url), settings.redis_url)
        keys: Keys = settings.keys
        self.accounts = Accounts(client, keys)
        self.audit = Audit(client, keys)

    def note(self, what: str) -> None:
        """Note a change that was made; `who` is the user of this machine who gave the command."""
        self.audit.write(self.audit.entry("users", who=operator_name(), what=what, address="dbwatch users"))


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
