"""`dbwatch tail`: the feed, to read or to pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice

import click

from connectors.errors import TransientError
from connectors.records import Record
from connectors.settings import Settings
from connectors.stream_ids import BEGINNING, Placed, Start
from connectors.stream_reader import StreamReader, open_reader
from connectors.summaries import OPS
from dbwatch.tail_lines import Wanted, json_line, text_line

_OP_NAMES = {"create": "c", "update": "u", "delete": "d", "read": "r", **{op: op for op in OPS}}


@click.command("tail")
@click.option(
    "--from",
    "start",
    metavar="TIME|ID|now|start",
    help="Where to begin: now, start, an entry's id, a time (2026-11-21T20:00:00Z), milliseconds, or an age (15m). "
    "Default: now, or start with --no-follow.",
)
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; may be given several times.")
@click.option(
    "--op",
    "ops",
    multiple=True,
    type=click.Choice(sorted(_OP_NAMES), case_sensitive=False),
    metavar="c|u|d|r",
    help="Only this operation: c(reate), u(pdate), d(elete), r(ead); may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the whole record, its id and stream.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N records.")
@click.option("--no-follow", is_flag=True, help="End at the end of the feed instead of waiting for more.")
def command(
    *,
    start: str | None,
    views: tuple[str, ...],
    ops: tuple[str, ...],
    as_json: bool,
    count: int | None,
    no_follow: bool,
) -> None:
    """Print the feed as it is written, until Ctrl-C."""
    settings = Settings.load()
    begin = _start(start, follow=not no_follow)
    reader = open_reader(
        settings.redis_url, settings.keys.changes, Record.from_fields, start=begin, on_retry=_Outages().told
    )
    wanted = Wanted(views, {_OP_NAMES[op] for op in ops})
    render = json_line if as_json else text_line
    try:
        _print(_chosen(reader, wanted, count, follow=not no_follow), render)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # whoever read this has enough, as `head` does; click would call it an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        reader.close()


def _start(text: str | None, *, follow: bool) -> Start:
    if text is None:
        return Start(None if follow else BEGINNING)
    return Start.parse(text, now_ms=time.time_ns() // 1_000_000)


def _chosen(
    reader: StreamReader[Record], wanted: Wanted, count: int | None, *, follow: bool
) -> Iterator[Placed[Record]]:
    entries = iter(reader) if follow else reader.to_end()
    return islice((entry for entry in entries if wanted.has(entry.item)), count)


def _print(entries: Iterator[Placed[Record]], render: Callable[[Placed[Record]], str]) -> None:
    for entry in entries:
        click.echo(render(entry))


class _Outages:
    """Says on stderr that Redis is away, once for each minute that it is."""

    def __init__(self) -> None:
        self._said_at_s = float("-inf")

    def told(self, error: TransientError, wait_s: float) -> None:
        now_s = time.monotonic()
        if now_s - self._said_at_s > 60:
            self._said_at_s = now_s
            click.echo(f"dbwatch: {error}; trying again (next in {wait_s:.1f} s)", err=True)
