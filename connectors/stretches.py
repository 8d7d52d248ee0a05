"""Which entries of a stream somebody has seen: stretches of ids, that only ever grow. Pure.

A set of entries is kept as stretches `(after, upto]` of ids. Adding some to what was seen is a union: it can be done
twice, late, or in any order, from several tabs and servers, and comes to the same. What was missed up to an id is what
the stretches leave open, so that an entry is either seen or missed, never both and never neither.

Beside the bounds stands, where it is known, how many entries had ever been added to the stream up to there; from that
it can be told how many were trimmed away unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from connectors.errors import BadRecord
from connectors.stream_ids import parts

EntryId = tuple[int, int]
"""Milliseconds and sequence number."""

START: EntryId = (0, 0)
MOST_STRETCHES = 64

_LARGEST = (1 << 64) - 1
_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class Stretch(NamedTuple):
    """The ids after `after`, up to and with `upto`."""

    after: EntryId
    upto: EntryId

    def __contains__(self, entry_id: object) -> bool:
        return isinstance(entry_id, tuple) and self.after < entry_id <= self.upto


Stretches = tuple[Stretch, ...]
"""In order, without touching each other, none empty: what `union` gives."""


Picked = tuple[str, Sequence[str | None]]
"""An entry's id, and the values of the fields that were asked for: None where there is none."""


class Extent(NamedTuple):
    """What a stream holds. `first` is the oldest entry that is there, None when there is none; `last` the id given
    last, also to an entry that is gone. `added` counts all that ever were, None where the server does not (before
    Redis 7)."""

    first: EntryId | None
    last: EntryId
    length: int
    added: int | None


class Seen(NamedTuple):
    """What somebody has seen of a stream. `added` holds, for some bounds of the stretches, how many entries had ever
    been added to the stream up to that id."""

    stretches: Stretches = ()
    added: Mapping[EntryId, int] = {}

    def with_stretches(self, stretches: Iterable[Stretch], added: Mapping[EntryId, int] | None = None) -> Seen:
        """With these too. Of more than `MOST_STRETCHES` the oldest that stand alone are forgotten, so that their
        entries are told once more rather than lost."""
        joined = union((*self.stretches, *stretches))
        if len(joined) > MOST_STRETCHES:
            joined = (joined[0], *joined[1 - MOST_STRETCHES :])
        known = {**self.added, **(added or {})}
        bounds = {bound for stretch in joined for bound in stretch}
        return Seen(joined, {bound: count for bound, count in known.items() if bound in bounds})

    def missed(self, upto: EntryId) -> Stretches:
        """What is not in it, up to an id."""
        return minus((Stretch(START, upto),), self.stretches)

    def to_text(self) -> str:
        """`after..upto` for each stretch, an id with `=n` where it is known how many entries there were up to it."""
        return " ".join(f"{self._bound(stretch.after)}..{self._bound(stretch.upto)}" for stretch in self.stretches)

    @classmethod
    def from_text(cls, text: str) -> Seen:
        """Raises `BadRecord` for a text of another form."""
        stretches: list[Stretch] = []
        added: dict[EntryId, int] = {}
        for word in text.split():
            bounds: list[EntryId] = []
            for bound in word.split(".."):
                entry_id, known, count = bound.partition("=")
                bounds.append(entry_id_of(entry_id))
                if known:
                    added[bounds[-1]] = _number(count, text)
            if len(bounds) != 2:
                raise BadRecord(f"{text[:80]!r} are no stretches of entries: expected after..upto, found {word[:80]!r}")
            stretches.append(Stretch(bounds[0], bounds[1]))
        return cls(union(stretches), added)

    def _bound(self, entry_id: EntryId) -> str:
        known = self.added.get(entry_id)
        return id_text(entry_id) if known is None else f"{id_text(entry_id)}={known}"


def union(stretches: Iterable[Stretch]) -> Stretches:
    """What is in any of them."""
    joined: list[Stretch] = []
    for stretch in sorted(stretch for stretch in stretches if stretch.after < stretch.upto):
        if joined and stretch.after <= joined[-1].upto:
            joined[-1] = Stretch(joined[-1].after, max(joined[-1].upto, stretch.upto))
        else:
            joined.append(stretch)
    return tuple(joined)


def common(some: Stretches, others: Stretches) -> Stretches:
    """What is in both."""
    found = (Stretch(max(a.after, b.after), min(a.upto, b.upto)) for a in some for b in others)
    return union(found)


def minus(some: Stretches, others: Stretches) -> Stretches:
    """What is in `some` and not in `others`."""
    left: list[Stretch] = []
    for stretch in some:
        begin = stretch.after
        for other in others:
            if other.upto <= begin:
                continue
            if other.after >= stretch.upto:
                break
            if other.after > begin:
                left.append(Stretch(begin, other.after))
            begin = other.upto
        if begin < stretch.upto:
            left.append(Stretch(begin, stretch.upto))
    return tuple(left)


def preceding(entry_id: EntryId) -> EntryId:
    """The largest id before this one."""
    ms, seq = entry_id
    if seq:
        return ms, seq - 1
    return (ms - 1, _LARGEST) if ms else START


def id_text(entry_id: EntryId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"


def entry_id_of(text: str) -> EntryId:
    """Raises `BadRecord` for what is no full id of an entry."""
    if not _ID.fullmatch(text) or max(parts(text)) > _LARGEST:
        raise BadRecord(f"{text[:80]!r} is no entry's id: expected one such as 1763760000000-0")
    return parts(text)


def _number(text: str, whole: str) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise BadRecord(f"{whole[:80]!r} are no stretches of entries: {text[:80]!r} is no count")
    return int(text)
