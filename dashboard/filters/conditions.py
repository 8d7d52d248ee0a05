"""What a filter is made of, as values: literals, single conditions, and how they are combined. Pure.

Combine with `all_of`, `any_of` and `negated` only: they keep one form for each meaning, so that a filter that was
written down and read again is equal to what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from connectors.changes import Op

Ordering: TypeAlias = Literal["<", "<=", ">", ">="]
Operator: TypeAlias = Literal["=", "!=", "~", "!~", "<", "<=", ">", ">="]

ORDERINGS: frozenset[str] = frozenset({"<", "<=", ">", ">="})
OPPOSITES: Mapping[Operator, Operator] = {"=": "!=", "!=": "=", "~": "!~", "!~": "~"}


@dataclass(frozen=True, slots=True)
class Text:
    """Compared with texts, character by character."""

    value: str


@dataclass(frozen=True, slots=True)
class Number:
    """Compared with numbers, and with texts that spell one."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, minute, second or shorter, as it was written; compared with texts that spell one, as a time."""

    text: str


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    value: bool


@dataclass(frozen=True, slots=True)
class Null:
    """Null, or no such field."""


Value: TypeAlias = Text | Number | Moment | Flag | Null


@dataclass(frozen=True, slots=True)
class Words:
    """A value of the row, or its key, holds this text, in whatever case."""

    text: str


@dataclass(frozen=True, slots=True)
class View:
    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    op: Op


@dataclass(frozen=True, slots=True)
class Key:
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """The lookup whose change reached the row, None for any."""

    lookup: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """The update changed this path or one below it."""

    path: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The row has such a field, be it null."""

    path: str


@dataclass(frozen=True, slots=True)
class Compare:
    path: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class All:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    conditions: tuple[Condition, ...]


Single: TypeAlias = Words | View | Operation | Key | Cause | Changed | Exists | Compare
Condition: TypeAlias = Single | Not | All | Any


def all_of(*conditions: Condition) -> Condition:
    """Each of them, of which there must be one at least."""
    flat = tuple(part for c in conditions for part in (c.conditions if isinstance(c, All) else (c,)))
    return flat[0] if len(flat) == 1 else All(flat)


def any_of(*conditions: Condition) -> Condition:
    """One of them or more, of which there must be one at least."""
    flat = tuple(part for c in conditions for part in (c.conditions if isinstance(c, Any) else (c,)))
    return flat[0] if len(flat) == 1 else Any(flat)


def negated(condition: Condition) -> Condition:
    """What holds whenever this does not."""
    if isinstance(condition, Not):
        return condition.condition
    if isinstance(condition, Compare) and condition.operator in OPPOSITES:
        return Compare(condition.path, OPPOSITES[condition.operator], condition.value)
    return Not(condition)


def parts(condition: Condition | None) -> tuple[Condition, ...]:
    """The conditions that all must hold; none for the filter that lets everything through."""
    if condition is None:
        return ()
    return condition.conditions if isinstance(condition, All) else (condition,)
