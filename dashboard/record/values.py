"""A JSON value as a tree that a page can draw: plain values as text, and never more of it than is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeGuard

import orjson

from connectors.errors import BadRecord, ConfigError

Type = Literal["string", "number", "boolean", "null", "object", "array"]
Name = str | int
"""Of a field, or the place of an element."""

_SHORTEST_CUT = 80
_DEEPEST_PATH = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a value is shown: characters of one text and of all, items of one object or array and of all, and
    how deep. What is left out can be told: `Value.size` is that of the whole."""

    text: int = 1_000
    texts: int = 200_000
    items: int = 600
    nodes: int = 3_000
    depth: int = 40


@dataclass(frozen=True, slots=True)
class Value:
    """A value, or the part of it that begins at `start`. `text` is that of a plain value: a string as it is, all else
    as JSON. `items` are those of an object or array. `size` counts characters, fields or elements of the whole."""

    type: Type
    size: int
    start: int = 0
    text: str | None = None
    items: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A field or an element."""

    name: Name
    value: Value


class Room:
    """How much may still be shown, and the making of values within it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.nodes = limits.nodes
        self.texts = limits.texts

    def take(self) -> bool:
        """Whether there is room for one node more, which is then taken."""
        if self.nodes <= 0:
            return False
        self.nodes -= 1
        return True

    def value(self, value: Any, *, depth: int = 0, start: int = 0) -> Value:
        """The value from `start` on, as far as there is room."""
        if is_object(value) or is_array(value):
            return self._container(value, depth, start)
        text = plain_text(value)
        start = min(start, len(text))
        longest = max(min(self.limits.text, self.texts), min(self.limits.text, _SHORTEST_CUT))
        shown = text[start : start + longest]
        self.texts -= len(shown)
        return Value(type_of(value), len(text), start, shown)

    def _container(self, value: Mapping[str, Any] | Sequence[Any], depth: int, start: int) -> Value:
        pairs = value.items() if is_object(value) else enumerate(value)
        items: list[Item] = []
        if depth < self.limits.depth:
            for name, item in islice(pairs, start, start + self.limits.items):
                if not self.take():
                    break
                items.append(Item(name, self.value(item, depth=depth + 1)))
        return Value(type_of(value), len(value), min(start, len(value)), items=tuple(items))


def tree(text: str, limits: Limits | None = None) -> Value:
    """The value of a JSON text, cut to the limits. Raises `BadRecord` when it is no JSON."""
    return Room(limits or Limits()).value(decoded(text))


def part(text: str, steps: Sequence[Name], start: int, limits: Limits | None = None) -> Value:
    """What stands at a path of names and places, from `start` on. Raises `BadRecord` when the text is no JSON, and
    `ConfigError` when nothing stands there.
    """
    value = decoded(text)
    for step in steps[:_DEEPEST_PATH]:
        if not _has(value, step):
            raise ConfigError(f"the row has nothing at {'.'.join(map(str, steps))[:200]}: open the record anew")
        value = value[step]
    return Room(limits or Limits()).value(value, start=max(0, start))


def decoded(text: str) -> Any:
    """The value of a JSON text; raises `BadRecord`."""
    try:
        return orjson.loads(text)
    except ValueError as exc:
        raise BadRecord(f"a row is no JSON: {exc}") from exc


def type_of(value: Any) -> Type:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    if is_object(value):
        return "object"
    return "array" if is_array(value) else "number"


def plain_text(value: Any) -> str:
    """A plain value's text: a string as it is, a number with all its digits."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _has(value: Any, step: Name) -> bool:
    if is_object(value):
        return isinstance(step, str) and step in value
    return is_array(value) and isinstance(step, int) and 0 <= step < len(value)


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def is_array(value: Any) -> TypeGuard[list[Any]]:
    return type(value) is list
