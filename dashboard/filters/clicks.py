"""A filter changed by a click: on a value of a row, or on the button that takes a condition away. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any as AnyValue
from typing import Literal, NamedTuple

from connectors.summaries import UNSET
from dashboard.filters.conditions import (
    All,
    Any,
    Cause,
    Changed,
    Compare,
    Condition,
    Exists,
    Key,
    Not,
    Operation,
    Text,
    View,
    Words,
    all_of,
    negated,
    parts,
)
from dashboard.filters.errors import FilterError
from dashboard.filters.filter import Filter, parse
from dashboard.filters.literals import literal_for, literal_of
from dashboard.filters.parser import MOST_STEPS, OPERATIONS
from dashboard.filters.writing import text_of

What = Literal["text", "view", "op", "key", "cause", "changed", "field", "group"]


class Part(NamedTuple):
    """One of the conditions that all must hold. `what` is its kind: a group is one that is made of several."""

    text: str
    what: What


def parts_of(filter_text: str) -> list[Part]:
    """The conditions of a filter, to be shown one by one; raises `FilterError`."""
    return [Part(text_of(part), _what(part)) for part in parts(parse(filter_text).condition)]


def with_field(filter_text: str, path: str, value: AnyValue, *, negate: bool = False) -> str:
    """The filter with one condition more: that the field has this value, or with `negate` that it has not.

    The paths `:view`, `:op`, `:key`, `:cause` and `:changed` stand for what the record says of itself, `:text` for a
    text anywhere in the row. The opposite condition, if it is there, goes; one that is there already stays as it is.
    Raises `FilterError` when the text does not parse, or the path or value is none that can be compared.
    """
    return _with(filter_text, _clicked(path, value), negate=negate)


def with_shown(filter_text: str, path: str, shown: str, *, negate: bool = False) -> str:
    """The same of a value of which only the text that people see is known (see `connectors.summaries`): what looks like
    a number is compared as one, of a text that was cut the part that is there must be in the field."""
    if shown == UNSET:
        condition = negated(Exists(_path(path)))
    elif shown.endswith("…") and len(shown) > 1:
        condition = Compare(_path(path), "~", Text(shown[:-1]))
    else:
        condition = Compare(_path(path), "=", literal_of(shown))
    return _with(filter_text, condition, negate=negate)


def _with(filter_text: str, condition: Condition, *, negate: bool) -> str:
    wanted, opposite = (negated(condition), condition) if negate else (condition, negated(condition))
    kept = [part for part in parts(parse(filter_text).condition) if part != opposite]
    if wanted not in kept:
        kept.append(wanted)
    return str(parse(_text(kept)))  # it may have become too long


def without(filter_text: str, index: int) -> str:
    """The filter without the condition that `parts_of` has at this place; the same when there is none."""
    kept = parts(parse(filter_text).condition)
    return _text([part for place, part in enumerate(kept) if place != index])


def turned(filter_text: str, index: int) -> str:
    """The filter with the condition at this place turned round: what it let through is left out."""
    found = parts(parse(filter_text).condition)
    return _text([negated(part) if place == index else part for place, part in enumerate(found)])


def _text(conditions: Sequence[Condition]) -> str:
    return str(Filter(all_of(*conditions) if conditions else None))


def _clicked(path: str, value: AnyValue) -> Condition:
    if path.startswith(":"):
        return _of_record(path, "" if value is None else str(value))
    literal = literal_for(value)
    if literal is None:
        raise FilterError(0, f"a text, number, true, false or null as the value of {path[:80]}", type(value).__name__)
    return Compare(_path(path), "=", literal)


def _path(path: str) -> str:
    if not path or path.count(".") >= MOST_STEPS:
        raise FilterError(0, f"a path of 1 to {MOST_STEPS} steps", f"{path[:80]!r}")
    return path


def _of_record(path: str, value: str) -> Condition:
    if path == ":cause":
        return Cause(value) if value else negated(Cause(None))
    if value:
        match path:
            case ":view":
                return View(value)
            case ":key":
                return Key(value)
            case ":text":
                return Words(value)
            case ":changed":
                return Changed(value)
            case ":op" if value in OPERATIONS:
                return Operation(OPERATIONS[value])
            case _:
                pass
    raise FilterError(0, "a value of :view, :op, :key, :cause, :changed or :text", f"{path[:80]} {value[:80]!r}")


def _what(condition: Condition) -> What:
    match condition:
        case Not(inner) if not isinstance(inner, All | Any):
            return _what(inner)
        case Words():
            return "text"
        case View():
            return "view"
        case Operation():
            return "op"
        case Key():
            return "key"
        case Cause():
            return "cause"
        case Changed():
            return "changed"
        case Compare() | Exists():
            return "field"
        case _:
            return "group"
