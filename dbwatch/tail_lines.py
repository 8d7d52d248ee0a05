"""How `dbwatch tail` shows an entry of the feed: a line to read, or a line of JSON. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import click
import orjson

from connectors.records import SCHEMA, Record
from connectors.rows import loads
from connectors.stream_ids import Placed
from connectors.summaries import OPS, Diff, Joined, one_line, summary_of

OP_COLOURS = {"c": "green", "u": "yellow", "d": "red", "r": "cyan"}
_LONGEST_KEY = 40


class Wanted(NamedTuple):
    """Which records are shown; an empty collection means all."""

    views: Collection[str] = ()
    ops: Collection[str] = ()

    def has(self, record: Record) -> bool:
        return (not self.views or record.view in self.views) and (not self.ops or record.op in self.ops)


def text_line(entry: Placed[Record]) -> str:
    """Time of the commit (UTC), view, operation, key, the row in words, what it is joined with, `old -> new`, the
    cause.

    Holds the codes of colours; `click.unstyle` removes them, as `click.echo` does where there is no terminal.
    """
    record = entry.item
    summary = summary_of(record)
    words = [
        click.style(_clock(record.ts_ms), dim=True),
        click.style(f"{record.view:<10}", bold=True),
        click.style(f"{OPS.get(record.op, record.op):<7}", fg=OP_COLOURS.get(record.op)),
        click.style(one_line(record.key, _LONGEST_KEY), dim=True),
        summary.row,
        *(_joined_text(joined) for joined in summary.joined),
        *_changes(record, summary.diffs),
    ]
    return "  ".join(word for word in words if word)


def json_line(entry: Placed[Record]) -> str:
    """The whole record as one JSON object: its fields, rows and versions as objects, with `stream` and `id`."""
    record = entry.item
    fields: dict[str, object] = {"stream": entry.stream, "id": entry.id, "schema": SCHEMA}
    fields |= {"view": record.view, "op": record.op, "key": record.key}
    if record.before is not None:
        fields["before"] = loads(record.before)
    if record.after is not None:
        fields["after"] = loads(record.after)
    if record.changed is not None:
        fields["changed"] = record.changed
    fields |= {"ts_ms": record.ts_ms, "position": record.position, "versions": loads(record.versions.to_json())}
    if record.cause is not None:
        fields["cause"] = record.cause
    return orjson.dumps(fields).decode()


def _changes(record: Record, diffs: tuple[Diff, ...]) -> Iterator[str]:
    if diffs:
        yield click.style("; ", dim=True).join(diff_text(diff) for diff in diffs)
    if record.cause is not None:
        yield cause_text(record.cause)


def cause_text(cause: str) -> str:
    """The lookup whose change reached the row."""
    return click.style(f"(because of {cause})", fg="magenta")


def diff_text(diff: Diff) -> str:
    """`path: old -> new`."""
    arrow = click.style("->", dim=True)
    old = "" if diff.old is None else f"{click.style(diff.old, fg='red')} "
    return f"{diff.path}: {old}{arrow} {click.style(diff.new, fg='green')}"


def _joined_text(joined: Joined) -> str:
    found = click.style("none", dim=True) if joined.text is None else joined.text
    return f"{click.style(joined.lookup + ':', dim=True)} {found}"


def _clock(ts_ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ts_ms} ms"
    return f"{moment:%H:%M:%S}.{ts_ms % 1000:03}"
