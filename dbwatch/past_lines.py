"""How `dbwatch at` and `dbwatch history` show a row's past: lines to read, or JSON. Pure.

Texts hold the codes of colours; `click.unstyle` removes them, as `click.echo` does where there is no terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import click
import orjson

from connectors.archive.past import PastVersion, record_of
from connectors.archive.travel import Absence, Gap, Past
from connectors.changes import Change
from connectors.mongo_events import position_ms
from connectors.rows import loads
from connectors.summaries import OPS, Diff, one_line, summary_of
from connectors.times import to_the_second, written
from dbwatch.tail_lines import OP_COLOURS, cause_text, diff_text

_LONGEST_KEY = 80
_UNSEEN = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def past_lines(past: Past, lookups: Sequence[str], *, then: str) -> Iterator[str]:
    """What made the row what it was then, and the row."""
    yield " ".join([click.style(past.view, bold=True), one_line(past.key, _LONGEST_KEY), click.style(then, dim=True)])
    made = past.made_by
    yield "  " + "  ".join([*_head(made), click.style(f"position {made.position}", dim=True)])
    yield from (f"    {diff_text(diff)}" for diff in _diffs(past.view, past.key, made, lookups))
    if past.row is None:
        yield "  this version was gone before it could be read; a delete followed"
    else:
        yield shown_json(past.row)


def past_json(view: str, key: str, past: Past | None, *, then: str, absence: Absence | None) -> str:
    """One object: the row, null when there was none, and the change that made it so."""
    fields: dict[str, Any] = {"view": view, "key": key if past is None else past.key, "at": then}
    fields["row"] = None if past is None or past.row is None else loads(past.row)
    if past is not None:
        fields["made_by"] = _fields(past.made_by)
    if absence is not None:
        fields["deleted"], fields["appeared"] = _place(absence.deleted), _place(absence.appeared)
    return orjson.dumps(fields).decode()


def absence_line(view: str, key: str, absence: Absence, *, then: str) -> str:
    """Why there was no such row, as far as the archive tells."""
    deleted, appeared = absence
    text = f"no row {one_line(key, _LONGEST_KEY)} of {view} {then}"
    if deleted is not None:
        text += f"; it was deleted at {written(deleted.ts_ms)} (position {deleted.position})"
    if appeared is not None:
        text += f"; it appeared at {written(appeared.ts_ms)} (position {appeared.position})"
    return text if deleted is not None or appeared is not None else f"{text}, nor at any time that is recorded"


def version_lines(view: str, key: str, version: PastVersion | Gap, lookups: Sequence[str]) -> Iterator[str]:
    """One version: when, what, because of which lookup, the row in words, its position; then what changed."""
    if isinstance(version, Gap):
        begin, end = (to_the_second(position_ms(position)) for position in version)
        yield click.style(f"-- from {begin} to {end} nothing was recorded --", fg="magenta")
        return
    words = list(_head(version))
    if version.op != "u" or version.is_first:
        words.append(summary_of(record_of(view, key, version, lookups)).row)
    words.append(click.style(version.position, dim=True))
    yield "  ".join(word for word in words if word)
    yield from (f"    {diff_text(diff)}" for diff in _diffs(view, key, version, lookups))


def version_json(view: str, key: str, version: PastVersion | Gap) -> str:
    """The version with the names of a record's fields, on one line."""
    if isinstance(version, Gap):
        return orjson.dumps({"gap": {"from": version.begin, "to": version.end}}).decode()
    return orjson.dumps({"view": view, "key": key, **_fields(version)}).decode()


def shown_json(text: str) -> str:
    """A row's JSON on lines of its own; what could steer a terminal is written as JSON's escapes."""
    lines = json.dumps(loads(text), ensure_ascii=False, indent=2)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", lines)


def _head(version: PastVersion) -> Iterator[str]:
    yield click.style(written(version.ts_ms), dim=True)
    yield click.style(OPS.get(version.op, version.op), fg=OP_COLOURS.get(version.op))
    if version.is_first:
        yield click.style(
            "(in the archive's image)" if version.op != "d" else "(not in the archive's next image)", dim=True
        )
    if version.cause is not None:
        yield cause_text(version.cause)


def _diffs(view: str, key: str, version: PastVersion, lookups: Sequence[str]) -> tuple[Diff, ...]:
    return summary_of(record_of(view, key, version, lookups)).diffs


def _fields(version: PastVersion) -> dict[str, Any]:
    fields: dict[str, Any] = {"op": version.op, "position": version.position, "ts_ms": version.ts_ms}
    if version.cause is not None:
        fields["cause"] = version.cause
    if version.before is not None:
        fields["before"] = loads(version.before)
    if version.after is not None:
        fields["after"] = loads(version.after)
    if version.changed is not None:
        fields["changed"] = version.changed
    return {**fields, "first": True} if version.is_first else fields


def _place(change: Change | None) -> dict[str, Any] | None:
    return None if change is None else {"op": change.op, "position": change.position, "ts_ms": change.ts_ms}
