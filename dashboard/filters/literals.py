"""Values as they are written in a filter, and how a row's value is compared with one. Pure.

A word without quotes is a number, a time, `true`, `false` or `null` if it looks like one; in quotes it is a text.

- A number is compared with numbers, and with texts that spell one, as a Decimal128 does; as double precision.
- A time is compared with texts that spell one (RFC 3339), whatever their zone and digits. One without a time of day
  is the whole day, one without seconds the whole minute, one without a fraction the whole second: equal is what lies in
  it, less is before it, greater is after it. Without a zone it is UTC.
- A text is compared with texts, by code points. A value of another type is neither equal, less nor greater.
- `~` looks into texts, and into the JSON text of numbers and booleans, in whatever case; null and objects hold nothing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from dashboard.filters.conditions import Flag, Moment, Null, Number, Operator, Text, Value

Test = Callable[[Any], bool]

_LONGEST_NUMBER = 40
_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[Tt][0-9]{2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?P<fraction>\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_LONGEST_MOMENT = 35
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Span(NamedTuple):
    """From `start` to just before `end`, in microseconds since 1970."""

    start: int
    end: int


def literal_of(word: str) -> Value:
    """What a word without quotes means where a value is expected."""
    lower = word.lower()
    if lower in ("true", "false"):
        return Flag(lower == "true")
    if lower == "null":
        return Null()
    number = number_of(word)
    if number is not None:
        return Number(number)
    return Text(word) if span_of(word) is None else Moment(word)


def literal_for(value: Any) -> Value | None:
    """The literal that equals a plain JSON value, None for an object or an array."""
    match value:
        case None:
            return Null()
        case bool():
            return Flag(value)
        case int() | float():
            return Number(value) if math.isfinite(value) and len(repr(value)) <= _LONGEST_NUMBER else Text(repr(value))
        case str():
            # A time is a point only with its fraction: what has none would also equal the rest of its second.
            return Text(value)
        case _:
            return None


def number_of(value: Any) -> int | float | None:
    """The number that a value is or spells; None for all else."""
    if type(value) is int or type(value) is float:
        return value
    if type(value) is not str or len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
        return None
    number = int(value) if _INTEGER.fullmatch(value) else float(value)
    return number if math.isfinite(number) else None


def span_of(text: str) -> Span | None:
    """The time that a text spells, with the length that it leaves open; None when it spells none."""
    match = _MOMENT.fullmatch(text) if len(text) <= _LONGEST_MOMENT else None
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    start = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    if match["fraction"]:
        return Span(start, start + 1)
    if match["seconds"]:
        return Span(start, start + _SECOND_US)
    return Span(start, start + (60 if match["time"] else 86_400) * _SECOND_US)


def test_of(sign: Operator, value: Value) -> Test:
    """Whether a plain value of a row is as the comparison says. `sign` is no negative one, `value` is not null."""
    match value:
        case Number():
            compare = _ORDERED[sign]
            return lambda found: (number := number_of(found)) is not None and compare(number, value.value)
        case Moment():
            return _moment_test(sign, value.text)
        case Flag():
            return lambda found: found is value.value
        case Text() if sign == "~":
            needle = value.value.casefold()
            return lambda found: needle in folded(found)
        case Text():
            compare = _ORDERED[sign]
            return lambda found: type(found) is str and compare(found, value.value)
        case Null():
            return lambda found: found is None


def folded(value: Any) -> str:
    """The text of a plain value, to be searched in whatever case; empty for what has none."""
    if type(value) is str:
        return value.casefold()
    if type(value) in (int, float, bool):
        return orjson.dumps(value).decode().casefold()
    return ""


def _moment_test(sign: Operator, text: str) -> Test:
    span = span_of(text)
    assert span is not None, "a moment is made of a text that spells one"
    start, end = span
    first, last = {
        "=": (start, end),
        "<": (-math.inf, start),
        "<=": (-math.inf, end),
        ">": (end, math.inf),
        ">=": (start, math.inf),
    }[sign]
    return lambda found: (us := _start_of(found)) is not None and first <= us < last


def _start_of(value: Any) -> int | None:
    span = span_of(value) if type(value) is str else None
    return None if span is None else span.start
