"""Exports: records of the feed as CSV (RFC 4180) or JSON lines, what may be asked, and how far one has come. Pure.

A CSV file has the same columns whatever the rows hold: `row` and `changes` in words for who reads it in a spreadsheet,
`before` and `after` whole as JSON for who computes with it. A cell that a spreadsheet would take for a formula is
preceded by an apostrophe. JSON lines are what `dbwatch tail --json` prints. A file that was cut off says so in its
last line; one that is whole has no such line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, cast, get_args

import orjson

from connectors.errors import BadRecord, ConfigError
from connectors.places import Entry, Place
from connectors.records import Record
from connectors.summaries import Summary, summary_of
from dashboard.history.pages import Chosen

Format = Literal["csv", "jsonl"]
State = Literal["waiting", "running", "done", "cut", "cancelled", "failed"]

CONTENT_TYPES: Mapping[Format, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
COLUMNS: tuple[str, ...] = (
    *("committed", "written", "view", "op", "key", "row", "changes", "cause"),
    *("after", "before", "changed", "ts_ms", "position", "versions", "stream", "id"),
)
_AS_JSON = frozenset(("before", "after", "changed", "versions"))
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n\0")
_EPOCH = datetime.fromtimestamp(0, UTC)


class Order(NamedTuple):
    """What is to be exported, in which form, and from which end on."""

    format: Format
    chosen: Chosen
    newest_first: bool = True

    @classmethod
    def parse(cls, args: Mapping[str, Any]) -> Order:
        """From what a browser sent; raises `ConfigError` for what is not of its kind."""
        kind, newest_first = args.get("format"), args.get("newestFirst", True)
        if kind not in get_args(Format):
            raise ConfigError(f"format: expected {' or '.join(get_args(Format))}, found {str(kind)[:40]!r}")
        if not isinstance(newest_first, bool):
            raise ConfigError(f"newestFirst: expected true or false, found {str(newest_first)[:40]!r}")
        return cls(cast("Format", kind), Chosen.parse(args), newest_first)

    def to_args(self) -> dict[str, Any]:
        """What `parse` takes."""
        chosen = self.chosen
        given = {"filter": chosen.filter, "view": chosen.view, "key": chosen.key}
        given |= {"fromMs": chosen.from_ms, "toMs": chosen.to_ms}
        return {"format": self.format, "newestFirst": self.newest_first, **given}

    def in_words(self) -> str:
        """For the audit: what is taken out."""
        view, key, chosen = self.chosen.view, self.chosen.key, self.chosen
        of = "the feed" if view is None else view if key is None else f"{view} {key[:100]}"
        since = "" if chosen.from_ms is None else f" from {_iso(str(chosen.from_ms))}"
        until = "" if chosen.to_ms is None else f" before {_iso(str(chosen.to_ms))}"
        through = f", filter {chosen.filter}" if chosen.filter else ""
        return f"{self.format} of {of}{since}{until}{through}"

    def file_name(self, at_ms: int) -> str:
        """Of plain characters only, whatever the view is called."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.chosen.view or "feed").strip("-")[:40] or "view"
        return f"dbwatch-{name}-{_moment(at_ms):%Y%m%d-%H%M%S}.{self.format}"


class Progress(NamedTuple):
    """How far an export is: rows written, entries looked at, the share of the time it covers (0 to 1), and once it has
    ended, why it holds less than was asked for."""

    state: State = "waiting"
    rows: int = 0
    looked: int = 0
    share: float = 0.0
    message: str = ""

    @property
    def ended(self) -> bool:
        return self.state not in ("waiting", "running")


class File(Protocol):
    """Writes one file, piece by piece."""

    def head(self) -> str: ...

    def row(self, entry: Entry) -> str: ...

    def cut_off(self, why: str) -> str:
        """The last line of a file that does not hold all."""
        ...


def file_of(order: Order, streams: Sequence[str]) -> File:
    return CsvFile(streams) if order.format == "csv" else JsonLines(streams)


class CsvFile:
    """RFC 4180: lines end in CR LF, one header, every line has as many cells; UTF-8 without a mark."""

    def __init__(self, streams: Sequence[str]) -> None:
        self._streams = streams

    def head(self) -> str:
        return _csv_text([COLUMNS])

    def row(self, entry: Entry) -> str:
        return _csv_text([self._cells(entry)])

    def cut_off(self, why: str) -> str:
        return _csv_text([[why] + [""] * (len(COLUMNS) - 1)])

    def _cells(self, entry: Entry) -> list[str]:
        fields = entry.fields
        summary = _summary(fields)
        diffs = () if summary is None else summary.diffs
        told = {
            "committed": _iso(fields.get("ts_ms", "")),
            "written": _iso(str(entry.place.ms)),
            "row": "" if summary is None else summary.row,
            "changes": "; ".join(f"{d.path}: {'' if d.old is None else d.old + ' '}→ {d.new}" for d in diffs),
            "stream": self._streams[entry.place.stream],
            "id": entry.place.id,
        }
        return [guarded(told[name] if name in told else fields.get(name, "")) for name in COLUMNS]


class JsonLines:
    """One object a line: stream, id, and the record's fields; those that are JSON as values, digits and all."""

    def __init__(self, streams: Sequence[str]) -> None:
        self._streams = streams

    def head(self) -> str:
        return ""

    def row(self, entry: Entry) -> str:
        line: dict[str, object] = {"stream": self._streams[entry.place.stream], "id": entry.place.id}
        for name, text in entry.fields.items():
            line[name] = _json_value(text) if name in _AS_JSON else _number(text) if name == "ts_ms" else text
        return orjson.dumps(line).decode() + "\n"

    def cut_off(self, why: str) -> str:
        return orjson.dumps({"cut_off": why}).decode() + "\n"


def guarded(cell: str) -> str:
    """The cell, with an apostrophe before it where a spreadsheet would run it as a formula."""
    begins = cell.lstrip(" ")[:1]
    return f"'{cell}" if begins and begins in _FORMULA else cell


def limit_reached(limit: int, role: str, at: Place) -> str:
    """Why a file ends where it does."""
    return f"cut off after {limit:,} rows, the most that the role {role} may export; the last one is {at}"


def share_of(at: Place | None, *, begin_ms: int, end_ms: int, newest_first: bool) -> float:
    """How much of the time between two moments is behind one who reads and has come to this place."""
    if at is None or end_ms <= begin_ms:
        return 0.0
    share = (at.ms - begin_ms) / (end_ms - begin_ms)
    return min(1.0, max(0.0, 1 - share if newest_first else share))


def _summary(fields: Mapping[str, str]) -> Summary | None:
    try:
        return summary_of(Record.from_fields(fields))
    except BadRecord:
        return None


def _csv_text(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _json_value(text: str) -> object:
    """The value as it is written, if it is JSON; else the text."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return orjson.Fragment(text.replace("\n", " ").replace("\r", " "))


def _number(text: str) -> object:
    return int(text) if re.fullmatch(r"-?\d{1,15}", text, re.ASCII) else text


def _iso(ms: str) -> str:
    """UTC, to the millisecond; the text itself when it is no such moment."""
    try:
        return _moment(int(ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return ms


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
