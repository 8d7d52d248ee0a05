"""What happened to a looked-up row, as the record that it caused tells it. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from connectors.records import Record
from connectors.summaries import one_line, value_text
from dashboard.record.values import decoded, is_object

_NAMING = ("title", "name", "label", "_id")
_MOST_FIELDS = 3


class Cause(NamedTuple):
    """The row that changed, by its name, and what happened to it: `title changed`, `came`, `went`."""

    name: str
    change: str

    @property
    def text(self) -> str:
        return f"{self.name}: {self.change}"


def cause_of(record: Record, *, longest: int = 80) -> Cause | None:
    """None for a change of the row itself. Raises `BadRecord` when a row is no JSON."""
    lookup = record.cause
    if lookup is None:
        return None
    old, new = _joined(record.before, lookup), _joined(record.after, lookup)
    version = record.versions.lookups.get(lookup)
    referred = version.fk if version else None
    name = _name(new, longest) or _name(old, longest) or one_line(referred or lookup, longest)
    return Cause(name, _change(record, lookup, is_object(old), is_object(new)))


def _change(record: Record, lookup: str, was_there: bool, is_there: bool) -> str:
    if record.before is not None and record.after is not None and was_there != is_there:
        return "came" if is_there else "went"
    paths = [path.removeprefix(f"{lookup}.") for path in record.changed or () if path.startswith(f"{lookup}.")]
    if not paths:
        return "changed"
    more = len(paths) - _MOST_FIELDS
    listed = ", ".join(one_line(path, 60) for path in paths[:_MOST_FIELDS])
    return f"{listed} and {more} more changed" if more > 0 else f"{listed} changed"


def _joined(row: str | None, lookup: str) -> Any:
    value: Any = None if row is None else decoded(row)
    return value.get(lookup) if is_object(value) else None


def _name(joined: Any, longest: int) -> str:
    """The first text by which the row may be called, empty when there is none."""
    if not is_object(joined):
        return ""
    found = (joined.get(name) for name in _NAMING)
    return next((value_text(value, longest) for value in found if isinstance(value, str) and value.strip()), "")
