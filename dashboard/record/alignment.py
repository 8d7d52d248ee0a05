"""Which elements of an array became which: what two lists have in common, and what lies between. Pure.

Elements that have an identity (`_id`, else `id`, each value once) are paired by it. Others are the same when their JSON
is; what lies between two that are the same is paired in order, as far as it is of one type. The work is bounded: where
two long lists have little in common, fewer elements are recognized than there could be, but none wrongly.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeGuard

import orjson

Kind = Literal["same", "paired", "removed", "added"]
Array = Sequence[Any]

_IDENTITIES = ("_id", "id")
_MOST_CELLS = 25_000_000  # of the table of all pairs: a bit each
_LOOK_AHEAD = 50  # elements, where that table would be too large


class Run(NamedTuple):
    """Neighbours of one fate: the elements from `old` up to `old_end` became those from `new` up to `new_end`.

    `same` and `paired` (one by one, to be compared) have as many on both sides, `removed` and `added` none on one.
    """

    kind: Kind
    old: int
    old_end: int
    new: int
    new_end: int


class _Block(NamedTuple):
    """So many elements here that belong to as many there."""

    old: int
    new: int
    length: int


def align(before: Array, after: Array) -> list[Run]:
    """The fates of all elements, in order: every element of both lists is in exactly one run."""
    head = _alike(before, after, 0, 0)
    tail = _alike(before[head:][::-1], after[head:][::-1], 0, 0)
    old_end, new_end = len(before) - tail, len(after) - tail
    runs = [Run("same", 0, head, 0, head)]
    runs += (
        Run(kind, old + head, end + head, new + head, there + head)
        for kind, old, end, new, there in _middle(before[head:old_end], after[head:new_end])
    )
    runs.append(Run("same", old_end, len(before), new_end, len(after)))
    return [run for run in runs if run.old < run.old_end or run.new < run.new_end]


def same(before: Any, after: Any) -> bool:
    """Whether two JSON values are: `true` is not 1, 1 is not 1.0, and the order of fields does not matter."""
    if before != after:
        return False
    if type(before) is str:
        return True
    return orjson.dumps(before) == orjson.dumps(after) or _canonical(before) == _canonical(after)


def _alike(before: Array, after: Array, old: int, new: int) -> int:
    """How many elements are the same from there on: more and more are compared at once, then fewer and fewer."""
    most = min(len(before) - old, len(after) - new)
    alike, step = 0, 1
    while alike < most:
        size = (most - alike + 1) // 2 if step == 0 else min(step, most - alike)
        if not same(before[old + alike : old + alike + size], after[new + alike : new + alike + size]):
            most, step = alike + size - 1, 0
        else:
            alike, step = alike + size, 2 * step
    return alike


def _middle(before: Array, after: Array) -> Iterator[Run]:
    identity = None
    if len(before) * len(after) > _MOST_CELLS:
        blocks = _resumed(before, after)
    else:
        identity = next((name for name in _IDENTITIES if _identifies(name, before) and _identifies(name, after)), None)
        keys = [[_canonical(i if identity is None else i[identity]) for i in items] for items in (before, after)]
        blocks = _longest_common(*keys)
    old = new = 0
    for block in (*blocks, _Block(len(before), len(after), 0)):
        yield from _between(before, after, (old, block.old, new, block.new), pairing=identity is None)
        yield from _compared(before, after, block)
        old, new = block.old + block.length, block.new + block.length


def _between(before: Array, after: Array, gap: tuple[int, int, int, int], *, pairing: bool) -> Iterator[Run]:
    """What has no counterpart: in pairs while of one type, the rest gone and new."""
    old, old_end, new, new_end = gap
    start = old
    while pairing and old < old_end and new < new_end and type(before[old]) is type(after[new]):
        old, new = old + 1, new + 1
    yield Run("paired", start, old, new - (old - start), new)
    yield Run("removed", old, old_end, new, new)
    yield Run("added", old_end, old_end, new, new_end)


def _compared(before: Array, after: Array, block: _Block) -> Iterator[Run]:
    """Elements that belong together: which of them have changed within."""
    old, new, length = block
    while length > 0:
        alike = min(length, _alike(before, after, old, new))
        yield Run("same", old, old + alike, new, new + alike)
        old, new, length = old + alike, new + alike, length - alike
        if length > 0:
            yield Run("paired", old, old + 1, new, new + 1)
            old, new, length = old + 1, new + 1, length - 1


def _identifies(name: str, items: Array) -> bool:
    """Whether all are objects with a plain value under the name, each another one."""
    if not all(_is_object(item) and name in item for item in items):
        return False
    values = [item[name] for item in items]
    return not any(isinstance(v, dict | list) for v in values) and len({_canonical(v) for v in values}) == len(items)


def _longest_common(before: Sequence[Hashable], after: Sequence[Hashable]) -> Iterator[_Block]:
    """The longest common subsequence; a row of the table of lengths is the bits of one number (Hyyrö, 2004)."""
    places: dict[Hashable, int] = {}
    for i, key in enumerate(before):
        places[key] = places.get(key, 0) | 1 << i
    full = (1 << len(before)) - 1
    row, rows = full, [full]
    for key in after:
        matching = row & places.get(key, 0)
        row = ((row + matching) | (row - matching)) & full
        rows.append(row)
    pairs: list[tuple[int, int]] = []
    i, j = len(before), len(after)
    while i and j:
        if rows[j] >> (i - 1) & 1:
            i -= 1
        elif not rows[j - 1] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return _blocks(pairs[::-1])


def _blocks(pairs: Sequence[tuple[int, int]]) -> Iterator[_Block]:
    """Pairs that follow each other on both sides, as one."""
    start = 0
    for n, (i, j) in enumerate(pairs, start=1):
        if n == len(pairs) or pairs[n] != (i + 1, j + 1):
            yield _Block(*pairs[start], n - start)
            start = n


def _resumed(before: Array, after: Array) -> Iterator[_Block]:
    """Goes along both lists, looking a little ahead where they part; ends where they do not meet again."""
    old = new = 0
    while True:
        alike = _alike(before, after, old, new)
        if alike:
            yield _Block(old, new, alike)
        old, new = old + alike, new + alike
        meeting = next(
            (
                (i, j)
                for ahead in range(1, _LOOK_AHEAD)
                for i, j in ((old + ahead, new + ahead), (old + ahead, new), (old, new + ahead))
                if i < len(before) and j < len(after) and same(before[i], after[j])
            ),
            None,
        )
        if meeting is None:
            return
        old, new = meeting


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict
