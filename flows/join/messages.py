"""What the stages of the join tell each other. Rows and answers are JSON text, which is cheap to keep and to join.

Messages are made once and then belong to whom they were sent to: a version collects its answers on its way.
"""

from __future__ import annotations

from typing import NamedTuple

from connectors.changes import Op
from connectors.dead_letters import DeadLetter
from connectors.joined_rows import Answer
from connectors.records import LookupVersion, Record

Refs = tuple[str | None, ...]
"""The foreign keys of a row, one for each lookup of its view; None where it refers to nothing."""


def lookup_version(answer: Answer) -> LookupVersion:
    """Which answer it is, for a record."""
    return tuple.__new__(LookupVersion, answer[:3])


class Version:
    """One version of a row of a view with lookups, on its way to be joined; `view` is the number of the view.

    `row` is its JSON text without lookups; None for a delete and, on `u`, when the row was gone before it could be
    read. `refs` holds the foreign keys, None when there is no row. `named` is what the source says it changed.
    `turn` counts the row's versions within the epoch, from 1. `answers` are those that it has met so far.
    """

    __slots__ = ("answers", "key", "named", "op", "position", "refs", "row", "ts_ms", "turn", "view")

    def __init__(
        self,
        view: int,
        key: str,
        op: Op,
        position: str,
        ts_ms: int,
        row: str | None,
        named: tuple[str, ...] | None,
        refs: Refs | None,
    ) -> None:
        self.view = view
        self.key = key
        self.op: Op = op
        self.position = position
        self.ts_ms = ts_ms
        self.row = row
        self.named = named
        self.refs = refs
        self.turn = 0
        self.answers: list[Answer] = []

    def __repr__(self) -> str:
        return f"Version({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


class Lost(NamedTuple):
    """The row's version of this `turn`, which refers to `refs`, will not arrive, for it could not be joined."""

    view: int
    key: str
    turn: int
    refs: Refs | None


class Noted(NamedTuple):
    """Something was kept of a looked-up row, which is to be written."""


class Leave(NamedTuple):
    """The row's version at `position` no longer refers to this foreign key. `lookup` is the number of the lookup.

    `early`: it had other versions in this epoch, so the one that came to this foreign key may still be on its way.
    """

    lookup: int
    fk: str
    key: str
    position: str
    early: bool


class Candidate(NamedTuple):
    """A looked-up row stands under this foreign key with these chosen fields; `text` None: it no longer does."""

    lookup: int
    fk: str
    key: str
    text: str | None
    position: str
    ts_ms: int


class CandidateChange(NamedTuple):
    """A looked-up row changed; `foreign` is the value that it can be found by now, None when it cannot."""

    lookup: int
    key: str
    foreign: str | None
    text: str | None
    position: str
    ts_ms: int


class Update(NamedTuple):
    """The answer for one lookup of the rows `keys` changed; `position` and `ts_ms` are those of the change that caused
    it.
    """

    lookup: int
    keys: list[str]
    answer: Answer
    position: str
    ts_ms: int


Message = Version | CandidateChange | Leave | Candidate | Update | Lost | Noted | Record | DeadLetter

Routed = tuple[int, str, Message]
"""`(stage, shard, message)`: what to do next, and where; what comes out of the join is for no shard, `""`."""
