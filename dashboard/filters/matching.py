"""Makes a test of a condition. Pure.

Of conditions that all must hold, or of which one must, the cheap ones are asked first: view, operation, key and cause
cost nothing; the row's JSON is decoded only when they leave it open and its text does not settle the matter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from bson.int64 import Int64

from connectors.rows import covers, key_text
from dashboard.filters.conditions import (
    OPPOSITES,
    All,
    Any,
    Cause,
    Changed,
    Compare,
    Condition,
    Exists,
    Key,
    Not,
    Null,
    Operation,
    Text,
    View,
    Words,
)
from dashboard.filters.literals import number_of, test_of
from dashboard.filters.paths import Path, elements
from dashboard.filters.subject import Subject

Test: TypeAlias = Callable[[Subject], bool]

_OF_NUMBERS = frozenset("0123456789+-.e")


def test_for(condition: Condition) -> Test:
    """Whether a record meets the condition."""
    match condition:
        case All(conditions):
            every = tuple(map(test_for, sorted(conditions, key=_cost)))
            return lambda subject: all(test(subject) for test in every)
        case Any(conditions):
            some = tuple(map(test_for, sorted(conditions, key=_cost)))
            return lambda subject: any(test(subject) for test in some)
        case Not(inner):
            test = test_for(inner)
            return lambda subject: not test(subject)
        case Words(text):
            return partial(_holds, text.casefold())
        case Exists(path):
            return partial(_exists, Path.of(path))
        case Compare():
            return _comparison(condition)
        case _:
            return _of_record(condition)


def _of_record(condition: View | Operation | Key | Cause | Changed) -> Test:
    """Conditions on what a record says of itself."""
    match condition:
        case View(name):
            return lambda subject: subject.view == name
        case Operation(op):
            return lambda subject: subject.op == op
        case Cause(lookup):
            return lambda subject: subject.cause is not None and lookup in (None, subject.cause)
        case Key(text):
            return partial(_has_key, _keys(text))
        case Changed(path):
            return lambda subject: any(covers((path,), changed) for changed in subject.changed)


def _cost(condition: Condition) -> int:
    match condition:
        case All(conditions) | Any(conditions):
            return max(map(_cost, conditions))
        case Not(inner):
            return _cost(inner)
        case Changed():
            return 1
        case Words():
            return 3
        case Exists() | Compare():
            return 2
        case _:
            return 0


def _keys(text: str) -> frozenset[str]:
    """Every key that is meant by a text: itself, and the text or number that it spells."""
    keys = {text, key_text(text)}
    number = number_of(text)
    if number is not None:
        keys |= {key_text(float(number)), f'{{"$numberDecimal": "{text}"}}'}
        if isinstance(number, int) and -(1 << 63) <= number < 1 << 63:
            keys |= {key_text(number), key_text(Int64(number))}
    return frozenset(keys)


def _has_key(keys: frozenset[str], subject: Subject) -> bool:
    return subject.key in keys


def _holds(needle: str, subject: Subject) -> bool:
    if needle in subject.key.casefold():
        return True
    may_be_a_number = _OF_NUMBERS.issuperset(needle)
    if subject.is_verbatim and not may_be_a_number and needle not in subject.folded:
        return False
    return any(needle in text for text in subject.folded_values)


def _exists(path: Path, subject: Subject) -> bool:
    return _may_reach(path, subject) and any(True for _ in path.reached(subject.row))


def _comparison(condition: Compare) -> Test:
    opposite = OPPOSITES.get(condition.operator)
    if opposite is not None and condition.operator in ("!=", "!~"):
        test = _comparison(Compare(condition.path, opposite, condition.value))
        return lambda subject: not test(subject)
    path = Path.of(condition.path)
    if isinstance(condition.value, Null):
        return partial(_is_null, path)
    return partial(_compares, path, test_of(condition.operator, condition.value), _verbatim_text(condition))


def _is_null(path: Path, subject: Subject) -> bool:
    values = list(path.reached(subject.row)) if _may_reach(path, subject) else []
    return not values or any(value is None for value in elements(values))


def _compares(path: Path, test: Callable[[object], bool], text: str, subject: Subject) -> bool:
    if not _may_reach(path, subject) or (subject.is_verbatim and text not in subject.row_text):
        return False
    return any(map(test, elements(path.reached(subject.row))))


def _verbatim_text(condition: Compare) -> str:
    """What a row that meets the condition holds somewhere in its JSON, if no text of it needs an escape."""
    equal_text = condition.operator == "=" and isinstance(condition.value, Text)
    return condition.value.value if equal_text and isinstance(condition.value, Text) else ""


def _may_reach(path: Path, subject: Subject) -> bool:
    """False when the row surely has nothing at the path: a name of it stands nowhere in the JSON."""
    if not subject.row_text:
        return False
    return not subject.is_verbatim or all(step.isdecimal() or step in subject.row_text for step in path.steps)
