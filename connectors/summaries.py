"""What a person reads of a record: its row in a few words, the rows it was joined with, `old -> new`. Pure.

The texts hold no line breaks and no control characters, so that a value can neither steer a terminal nor break a line;
whoever puts them into a page still escapes them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

from connectors.errors import BadRecord
from connectors.records import Record
from connectors.rows import covers, loads

OPS: Mapping[str, str] = {"c": "created", "u": "updated", "d": "deleted", "r": "read"}

_NAMING = ("title", "name", "label", "subject", "text", "email")
# Of a row that refers to others, what it says goes before whose it is.
_SAYING = ("title", "subject", "text", "name", "email")
_YEAR = "year"
_PLAIN_FIELDS = 3
_MISSING = object()


class Diff(NamedTuple):
    """One changed path. `old` is None when it is not known; either is `UNSET` where the field is not there. A joined
    row that came or went as a whole is called by its name, or `NONE`."""

    path: str
    old: str | None
    new: str


class Joined(NamedTuple):
    """The row that a lookup found, in a few words; None when there is none. `path` is the field that it is called by
    and `value` what stands there, None when it is called by no one field."""

    lookup: str
    text: str | None
    path: str | None = None
    value: str | None = None


class Summary(NamedTuple):
    """A record in words. `row` speaks of the row itself, `joined` of what it refers to."""

    row: str
    joined: tuple[Joined, ...]
    diffs: tuple[Diff, ...]


UNSET = "(unset)"
NONE = "none"


def summary_of(record: Record, *, longest: int = 120) -> Summary:
    """The record in words, no value longer than `longest` characters. Raises `BadRecord` when a row is no JSON
    object.
    """
    before, after = _row(record, record.before), _row(record, record.after)
    row = after if after is not None else before
    lookups = record.versions.lookups
    return Summary(
        row="" if row is None else _naming(row, lookups, longest),
        joined=tuple(_joined(row, lookups, longest)) if row else (),
        diffs=tuple(_diffs(record, before, after, longest)),
    )


def one_line(text: str, longest: int) -> str:
    """The text on one line: white space in runs is one space, control and direction characters are shown as `�`."""
    short = text if len(text) <= 4 * longest else text[: 4 * longest]
    line = " ".join(short.split())
    clean = line if line.isprintable() else "".join(_visible(char) for char in line)  # nearly all are
    return clean if len(clean) <= longest else clean[: longest - 1].rstrip() + "…"


def value_text(value: Any, longest: int = 120) -> str:
    """A JSON value in one line: texts as they are, all else as compact JSON."""
    if isinstance(value, str):
        return one_line(value, longest) or '""'
    if _is_object(value) or _is_array(value):
        return one_line(_compact(value, 4 * longest), longest)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(record: Record, text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    try:
        row = loads(text)
    except ValueError as exc:
        raise BadRecord(f"the row of {record.view} {record.key} is no JSON: {exc}") from exc
    if not _is_object(row):
        raise BadRecord(f"the row of {record.view} {record.key} is no JSON object")
    return row


def _naming(row: Mapping[str, Any], lookups: Mapping[str, object], longest: int) -> str:
    """What the row is called, else its first plain fields."""
    field = _naming_field(row, lookups)
    if field is not None:
        year = row.get(_YEAR)
        text = one_line(row[field], longest)
        return f"{text} ({year})" if isinstance(year, int) else text
    plain = [
        f"{one_line(name, 40)}: {value_text(value, 40)}"
        for name, value in row.items()
        if name != "_id" and name not in lookups and not _is_object(value) and not _is_array(value)
    ]
    return one_line(", ".join(plain[:_PLAIN_FIELDS]), longest)


def _naming_field(row: Mapping[str, Any], lookups: Mapping[str, object]) -> str | None:
    for name in _SAYING if lookups else _NAMING:
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            return name
    return None


def _joined(row: Mapping[str, Any], lookups: Mapping[str, object], longest: int) -> Iterator[Joined]:
    for name in lookups:
        value = row.get(name, _MISSING)
        if _is_object(value):
            field = _naming_field(value, {})
            path, text = (None, None) if field is None else (f"{name}.{field}", one_line(value[field], longest))
            yield Joined(name, _naming(value, {}, longest) or value_text(value, longest), path, text)
        elif value is None:
            yield Joined(name, None)


def _diffs(
    record: Record, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, longest: int
) -> Iterator[Diff]:
    if after is None or record.op != "u":
        return
    lookups, changed = record.versions.lookups, set(record.changed or ())
    for path in record.changed or ():
        if any(parent in changed for parent in _parents(path)):
            continue  # shown with what it is a part of
        old = None if before is None else _text_at(before, path, lookups, longest)
        yield Diff(one_line(path, longest), old, _text_at(after, path, lookups, longest))


def _parents(path: str) -> Iterator[str]:
    steps = path.split(".")
    return (".".join(steps[:i]) for i in range(1, len(steps)))


def _text_at(row: Mapping[str, Any], path: str, lookups: Mapping[str, object], longest: int) -> str:
    value = _at(row, path)
    if value is _MISSING:
        return UNSET
    if path not in lookups:
        return value_text(value, longest)
    return (_naming(value, {}, longest) or value_text(value, longest)) if _is_object(value) else NONE


def _at(row: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; names that hold dots themselves are found too."""
    if path in row:
        return row[path]
    for name, value in row.items():
        if _is_object(value) and covers((name,), path):
            found = _at(value, path[len(name) + 1 :])
            if found is not _MISSING:
                return found
    return _MISSING


def _compact(value: Any, longest: int) -> str:
    """JSON-like text, not much longer than `longest` however large the value is."""
    if isinstance(value, str):
        return f'"{value[:longest]}"'
    if _is_object(value):
        return "{" + _listed((f'"{k}": {_compact(v, longest)}' for k, v in value.items()), longest) + "}"
    if _is_array(value):
        return "[" + _listed((_compact(v, longest) for v in value), longest) + "]"
    return value_text(value)


def _listed(texts: Iterator[str], longest: int) -> str:
    kept: list[str] = []
    length = 0
    for text in texts:
        kept.append(text)
        length += len(text) + 2
        if length > longest:
            break
    return ", ".join(kept)


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_array(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _visible(char: str) -> str:
    """Controls (Cc), surrogates (Cs) and the characters that turn the direction of what follows become a mark."""
    if unicodedata.category(char) in ("Cc", "Cs") or char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
        return "\ufffd"
    return char
