"""What is different between two versions of a row, as a tree: nested fields and arrays, what stayed folded away. Pure.

Node              an object, an array or a plain value that is not as it was; the top one is the row
├── Node          a field or an element that changed, came or went
└── Fold          neighbours that stayed as they were, counted and ready to be unfolded
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from connectors.errors import BadRecord
from dashboard.record.alignment import align, same
from dashboard.record.values import Item, Limits, Name, Room, Value, decoded, is_array, is_object

Kind = Literal["same", "changed", "added", "removed"]

_FOLDED = Limits(text=300, texts=50_000, items=100, nodes=1_000, depth=12)
_CONTEXT = 120
"""Characters shown before the changed part of a long text."""
_JOINERS = "\u200d\ufe0e\ufe0f"


@dataclass(frozen=True, slots=True)
class Mark:
    """How many characters (code points) two texts have in common at the beginning and at the end."""

    prefix: int
    suffix: int


@dataclass(frozen=True, slots=True)
class Fold:
    """Neighbours that are as they were: how many, and the first of them."""

    count: int
    items: tuple[Item, ...]
    kind: Literal["fold"] = "fold"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing that is, or is not, as it was. `path` is its dotted path, of an element that of its array.

    An object that stays an object, and an array, has `children`, and `left_out` counts the changed ones for which
    there was no room. Anything else has its value before in `old` (not if added) and after in `new` (not if removed);
    what is the same has only `new`. `mark` is that of two texts.
    """

    kind: Kind
    name: Name | None
    path: str
    type: str
    old: Value | None = None
    new: Value | None = None
    mark: Mark | None = None
    children: tuple[Node | Fold, ...] | None = None
    left_out: int = 0


class _Missing:
    """There is no such field."""


_MISSING = _Missing()


class _Chunk(NamedTuple):
    """Neighbours of one fate: their names, and their values before and after, None on the side that lacks them."""

    kind: Kind
    names: Sequence[Name]
    old: Sequence[Any] | None
    new: Sequence[Any] | None


def diff(before: str | None, after: str | None, limits: Limits | None = None) -> Node:
    """The difference of two rows' JSON texts; None is a row that is not there. Raises `BadRecord` when one is no
    JSON.
    """
    old: Any = _MISSING if before is None else decoded(before)
    new: Any = _MISSING if after is None else decoded(after)
    if before is None and after is None:
        return Node("same", None, "", "null")
    try:
        return _Making(limits or Limits()).node(None, "", old, new, 0)
    except (RecursionError, orjson.JSONEncodeError) as exc:
        raise BadRecord(f"a row is nested too deeply to be compared: {exc}") from exc


class _Making:
    """Makes the nodes, what changed before what did not."""

    def __init__(self, limits: Limits) -> None:
        self._room = Room(limits)
        self._folded = Room(_FOLDED)

    def node(self, name: Name | None, path: str, old: Any, new: Any, depth: int) -> Node:
        if old is _MISSING:
            value = self._room.value(new, depth=depth)
            return Node("added", name, path, value.type, new=value)
        if new is _MISSING:
            value = self._room.value(old, depth=depth)
            return Node("removed", name, path, value.type, old=value)
        if depth < self._room.limits.depth:
            if is_object(old) and is_object(new):
                return self._opened(name, path, "object", _fields(old, new), depth)
            if is_array(old) and is_array(new):
                return self._opened(name, path, "array", _elements(old, new), depth)
        if same(old, new):
            value = self._room.value(new, depth=depth)
            return Node("same", name, path, value.type, new=value)
        if isinstance(old, str) and isinstance(new, str):
            return self._text(name, path, old, new)
        was, now = self._room.value(old, depth=depth), self._room.value(new, depth=depth)
        return Node("changed", name, path, now.type, was, now)

    def _opened(self, name: Name | None, path: str, kind: str, chunks: Iterator[_Chunk], depth: int) -> Node:
        children: list[Node | Fold] = []
        left_out = shown = 0
        for chunk in chunks:
            if chunk.kind == "same":
                self._fold(children, chunk)
                continue
            for i, at in enumerate(chunk.names):
                if shown == self._room.limits.items or not self._room.take():
                    left_out += len(chunk.names) - i
                    break
                shown += 1
                below = path if kind == "array" else f"{path}.{at}" if path else str(at)
                old = _MISSING if chunk.old is None else chunk.old[i]
                new = _MISSING if chunk.new is None else chunk.new[i]
                children.append(self.node(at, below, old, new, depth + 1))
        is_same = not left_out and all(child.kind in ("same", "fold") for child in children)
        return Node("same" if is_same else "changed", name, path, kind, children=tuple(children), left_out=left_out)

    def _fold(self, children: list[Node | Fold], chunk: _Chunk) -> None:
        """Add to the fold at the end, or begin one."""
        items: list[Item] = []
        for name, value in zip(chunk.names, chunk.new or (), strict=True):
            if not self._folded.take():
                break
            items.append(Item(name, self._folded.value(value)))
        last = children[-1] if children else None
        if isinstance(last, Fold):
            children[-1] = Fold(last.count + len(chunk.names), (*last.items, *items))
        else:
            children.append(Fold(len(chunk.names), tuple(items)))

    def _text(self, name: Name | None, path: str, old: str, new: str) -> Node:
        """Two texts; of long ones, that part is shown in which the change begins."""
        mark = mark_of(old, new)
        long = max(len(old), len(new)) > self._room.limits.text
        start = max(0, mark.prefix - _CONTEXT) if long else 0
        was, now = self._room.value(old, start=start), self._room.value(new, start=start)
        return Node("changed", name, path, "string", was, now, mark)


def mark_of(old: str, new: str) -> Mark:
    """What two texts have in common at both ends. What is drawn as one character is not cut in two, as far as that can
    be told from joiners and marks.
    """
    prefix = _common(old, new)
    while prefix and any(_is_joined(text, prefix) for text in (old, new)):
        prefix -= 1
    suffix = _common(old[prefix:][::-1], new[prefix:][::-1])
    while suffix and any(_is_joined(text, len(text) - suffix) for text in (old, new)):
        suffix -= 1
    return Mark(prefix, suffix)


def _common(old: str, new: str) -> int:
    """How many characters are the same from the beginning."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _is_joined(text: str, at: int) -> bool:
    """Whether the character there is drawn as one with the character before it."""
    if not 0 < at < len(text):
        return False
    return text[at] in _JOINERS or text[at - 1] == "\u200d" or unicodedata.combining(text[at]) != 0


def _fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Chunk]:
    """All fields, in the order of `new`; what is gone stands where it stood."""
    gone: dict[str | None, list[str]] = {}
    last: str | None = None
    for name in old:
        if name in new:
            last = name
        else:
            gone.setdefault(last, []).append(name)
    for name in (None, *new):
        if name is not None:
            if name not in old:
                yield _Chunk("added", (name,), None, (new[name],))
            else:
                kind: Kind = "same" if same(old[name], new[name]) else "changed"
                yield _Chunk(kind, (name,), (old[name],), (new[name],))
        if name in gone:
            yield _Chunk("removed", gone[name], [old[n] for n in gone[name]], None)


def _elements(old: Sequence[Any], new: Sequence[Any]) -> Iterator[_Chunk]:
    for kind, start, end, there, there_end in align(old, new):
        before, after = old[start:end], new[there:there_end]
        if kind == "removed":
            yield _Chunk("removed", range(start, end), before, None)
        elif kind == "added":
            yield _Chunk("added", range(there, there_end), None, after)
        else:
            yield _Chunk("same" if kind == "same" else "changed", range(there, there_end), before, after)
