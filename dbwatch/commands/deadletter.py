"""`dbwatch deadletter`: changes that were set aside because they could not be read, joined or written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import cast

import click
from redis import Redis

from connectors.changes import RETRIED
from connectors.errors import ConfigError, TransientError
from connectors.letter_box import read_letters
from connectors.letters import Letter
from connectors.redis_client import connect, reached, translated
from connectors.retries import Retry
from connectors.retry_desk import RetryDesk
from connectors.settings import Keys, Settings
from dbwatch.letter_lines import json_line, table, whole

_FRESH_MS = 5000
_POLL_S = 0.3

_all = click.option("--all", "every", is_flag=True, help="All of them.")
_ids = click.argument("ids", nargs=-1, metavar="[ID]...")


@click.group("deadletter")
def command() -> None:
    """Look at the changes that were set aside, and mend them."""


@command.command("list")
@click.option("--count", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with everything.")
def list_(*, count: int | None, as_json: bool) -> None:
    """List the dead letters, oldest first."""
    desk = _Desk.open()
    letters = list(desk.letters())[-(count or 0) :]
    if as_json:
        for letter in letters:
            click.echo(json_line(letter))
    elif letters:
        for line in table(letters):
            click.echo(line)
    else:
        click.echo("no dead letters", err=True)


@command.command("show")
@click.argument("letter_id", metavar="ID")
def show(*, letter_id: str) -> None:
    """Show one dead letter, with its event as far as that may be shown."""
    (letter,) = _Desk.open().chosen((letter_id,), every=False)
    click.echo(whole(letter))


@command.command("drop")
@_ids
@_all
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def drop(*, ids: tuple[str, ...], every: bool, yes: bool) -> None:
    """Delete dead letters; their rows stay as the feed has them until they change again."""
    desk = _Desk.open()
    letters = desk.chosen(ids, every=every)
    if letters and not yes:
        click.confirm(f"Delete {_count(letters)}?", abort=True, err=True)
    desk.drop([letter.id for letter in letters])
    click.echo(f"deleted {_count(letters)}", err=True)


@command.command("retry")
@_ids
@_all
@click.option("--no-wait", is_flag=True, help="Ask for it and end.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the job.",
)
def retry(*, ids: tuple[str, ...], every: bool, no_wait: bool, timeout_s: float) -> None:
    """Read the rows of dead letters again, and write their current state to the feed unless it says the same.

    The running job does it, in order with all other changes; the letters go when it is certain to be kept, which takes
    three recovery snapshots. Ends with 1 when that is not so by the timeout; the job goes on with it. When no job runs,
    it is written down for the next one, and this ends at once with 0.
    """
    desk = _Desk.open()
    letters = desk.chosen(ids, every=every)
    retries = [_retry(desk.settings, letter) for letter in letters if letter.letter.key or not every]
    if len(retries) < len(letters):
        click.echo(f"left out {len(letters) - len(retries)}, whose keys cannot be decoded", err=True)
    if not retries:
        click.echo("no dead letters", err=True)
        return
    desk.retries.ask(retries)
    if not desk.job_runs():
        click.echo(f"asked for {_count(retries)}; no job runs now, the next one does it when it follows", err=True)
    elif no_wait:
        click.echo(f"asked the job for {_count(retries)}", err=True)
    else:
        _wait(desk, retries, timeout_s)


def _retry(settings: Settings, found: Letter) -> Retry:
    """What to read again for a letter. Raises `ConfigError` when that cannot be told."""
    from flows.views import parse_views

    letter = found.letter
    if not letter.key:
        raise ConfigError(
            f"dead letter {found.id}: the row's `_id` cannot be decoded, so it cannot be read again; correct the "
            f"row in MongoDB, then `dbwatch deadletter drop {found.id}`"
        )
    views = parse_views(settings.config(), file=str(settings.config_path))
    of_views = {view.name: view.collection for view in views.views}
    collection = letter.collection if letter.stage == "read" else of_views.get(letter.collection, letter.collection)
    if collection not in views.collections:
        raise ConfigError(
            f"dead letter {found.id}: {settings.config_path} does not name its collection `{collection}` any more, so "
            f"nobody reads it; `dbwatch deadletter drop {found.id}`"
        )
    return Retry(found.id, collection, letter.key)


def _wait(desk: _Desk, retries: Sequence[Retry], timeout_s: float) -> None:
    """Until none is asked for any more. Raises `TransientError` when that takes too long."""
    deadline_s = time.monotonic() + timeout_s
    waiting = {retry.id: retry for retry in retries}
    told = ""
    while True:
        now = {retry.id: retry for retry in desk.retries.all() if retry.id in waiting}
        for letter_id in waiting.keys() - now.keys():
            click.echo(desk.outcome(waiting.pop(letter_id)), err=True)
        waiting |= now
        if not waiting:
            return
        read = sum(retry.position is not None for retry in waiting.values())
        text = f"waiting for the job: {len(waiting)} to go, {read} of them have their place"
        if text != told:
            click.echo(text, err=True)
            told = text
        if time.monotonic() > deadline_s:
            raise TransientError(
                f"{_count(list(waiting))} not certain to be kept within {timeout_s:.0f} s; the job goes on with it: "
                "`dbwatch deadletter list` shows what is left"
            )
        time.sleep(_POLL_S)


class _Desk:
    """The dead letters and the requests of one prefix."""

    def __init__(self, settings: Settings, client: Redis) -> None:
        self.settings = settings
        self.retries = RetryDesk(client, settings.keys)
        self._client = client
        self._keys: Keys = settings.keys

    @classmethod
    def open(cls) -> _Desk:
        settings = Settings.load()
        return cls(settings, reached(connect(settings.redis_url), settings.redis_url))

    def letters(self) -> Iterator[Letter]:
        return read_letters(self._client, self._keys.deadletter)

    def chosen(self, ids: Sequence[str], *, every: bool) -> list[Letter]:
        """The letters of these ids, or all. Raises `ConfigError` when there is not one for each."""
        if every == bool(ids):
            raise ConfigError("give the ids of dead letters, or --all; `dbwatch deadletter list` shows them")
        found = {letter.id: letter for letter in self.letters()}
        missing = [letter_id for letter_id in ids if letter_id not in found]
        if missing:
            raise ConfigError(f"there is no dead letter {missing[0]!r}; `dbwatch deadletter list` shows them")
        return list(found.values()) if every else [found[letter_id] for letter_id in dict.fromkeys(ids)]

    def drop(self, ids: Sequence[str]) -> None:
        if ids:
            with translated(f"writing to {self._keys.deadletter}"), self._client.pipeline(transaction=True) as pipe:
                pipe.xdel(self._keys.deadletter, *ids)
                pipe.hdel(self._keys.retries, *ids)
                pipe.execute()

    def job_runs(self) -> bool:
        """Whether a process of the job has told of itself lately."""
        with translated(f"reading {self._keys.health}"):
            figures = cast("dict[str, str]", self._client.hgetall(self._keys.health))
            seconds, micros = self._client.time()
        now_ms = seconds * 1000 + micros // 1000
        known = [json.loads(text) for text in figures.values()]
        return any(f["state"] != "stopped" and now_ms - f["at_ms"] < _FRESH_MS for f in known)

    def outcome(self, retry: Retry) -> str:
        """What became of a retry that is done."""
        position = f"{retry.position}{RETRIED}"
        for found in self.letters():
            if (found.letter.key, found.letter.position) == (retry.key, position):
                return f"{retry.id}: read again, in vain: it is now {found.id}: {found.letter.error}"
        return f"{retry.id}: read again"


def _count(things: Sequence[object]) -> str:
    return f"{len(things)} dead letter{'' if len(things) == 1 else 's'}"
