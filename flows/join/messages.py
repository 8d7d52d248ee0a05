"""What the stages of the join tell each other. Rows and answers are JSON text, which is cheap to keep, to copy and to
join.
"""

from __future__ import annotations

from typing import NamedTuple

from connectors.changes import Op
from connectors.dead_letters import DeadLetter
from connectors.records import Record

NONE = "null"
"""The answer that there is no such row, as it stands in a joined row."""


class Answer(NamedTuple):
    """What a foreign key leads to: the chosen fields of the row there, or `NONE`, and the position of that row's
    version.

    `n` counts the changes applied to the foreign key's rows; it orders the answers of one foreign key.
    """

    n: int
    text: str
    position: str | None


NO_REFERENCE = Answer(0, NONE, None)
"""The answer for a row that refers to nothing."""


class RowChange(NamedTuple):
    """A change of a row of a view with lookups; `view` is the number of the view.

    `row` is its JSON text without lookups; None for a delete and, on `u`, when the row was gone before it could be
    read. `refs` holds the foreign key of each lookup, None when there is no row. `named` is what the source says it
    changed.
    """

    view: int
    key: str
    op: Op
    position: str
    ts_ms: int
    row: str | None
    named: tuple[str, ...] | None
    refs: tuple[str | None, ...] | None


class Version(NamedTuple):
    """One version of a row on its way to be joined, with the answers that it has met so far.

    `turn` counts the row's versions within the epoch, from 1. `new` says, by lookup, whether the row did not refer to
    that foreign key before.
    """

    change: RowChange
    turn: int
    new: tuple[bool, ...]
    answers: tuple[Answer, ...]

    def with_answer(self, answer: Answer) -> Version:
        """The version with one more answer."""
        return Version(self.change, self.turn, self.new, (*self.answers, answer))


class Lost(NamedTuple):
    """The row's version of this `turn` will not arrive, for it could not be joined."""

    key: str
    turn: int


class Leave(NamedTuple):
    """The row's version at `position` no longer refers to this foreign key. `lookup` is the number of the lookup.

    `early`: it had other versions in this epoch, so the one that came to this foreign key may still be on its way.
    """

    lookup: int
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


class Join(NamedTuple):
    """Keep a subscriber in this bucket."""

    lookup: int
    key: str
    position: str


class Spread(NamedTuple):
    """Tell the subscribers in this bucket the newest answer, and which change (position, time) caused it."""

    lookup: int
    fk: str
    answer: Answer
    position: str
    ts_ms: int


class Update(NamedTuple):
    """The answer for one lookup of the row `key` changed; `position` and `ts_ms` are those of the change that caused
    it.
    """

    lookup: int
    key: str
    fk: str
    answer: Answer
    position: str
    ts_ms: int


Message = (
    RowChange | CandidateChange | Version | Leave | Candidate | Join | Spread | Update | Lost | Record | DeadLetter
)

Routed = tuple[str, tuple[int, Message]]
"""`(key, (stage, message))`: what to do next, where, and for which key."""
