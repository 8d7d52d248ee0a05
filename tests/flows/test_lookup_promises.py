"""Updates without a post-image, whose rows are looked up anew at every reading, held against a batch join.

A row that nobody is joined with may be read as it is by then. A row that others are joined with must be the same at
every reading, or a replay counts fewer changes of it and later answers are taken for old ones.
"""

from __future__ import annotations

import random

from connectors.changes import Change
from connectors.records import Record
from flows.join.messages import Routed
from flows.join.plan import Plan
from tests.flows.histories import VIEWS, History, random_history
from tests.flows.network import Job
from tests.flows.test_join_promises import breaches

EXACT = frozenset(name for name, shape in VIEWS.shapes.items() if shape.shown != ())


class _LookingUp(Plan):
    """Routes updates with the row as it is when they are read: later than the update at times, and at times gone."""

    def __init__(self, rnd: random.Random, changes: list[Change], exact: frozenset[str]) -> None:
        super().__init__(VIEWS)
        self._rnd = rnd
        self._changes = changes
        self._exact = exact
        self._now = ""

    def route(self, change: Change) -> list[Routed]:
        ahead = self._rnd.randrange(6) if self._rnd.random() < 0.3 else 0
        later = [c.position for c in self._changes if c.position >= max(self._now, change.position)]
        self._now = later[min(ahead, len(later) - 1)]
        if change.op != "u" or change.named is None or change.collection in self._exact:
            return super().route(change)
        found = [c for c in self._changes if change.position <= c.position <= self._now and _row(c) == _row(change)][-1]
        return super().route(change._replace(after=found.after, refs=found.refs, before=None))


def _row(change: Change) -> tuple[str, str]:
    return change.collection, change.key


def run(seed: int, exact: frozenset[str]) -> tuple[History, list[Record]]:
    rnd = random.Random(seed)
    history = random_history(rnd, length=rnd.randrange(5, 40))
    job = Job(rnd, _LookingUp(rnd, history.changes, exact), history.changes, partitions=1 + seed % 3)
    job.run(crashes=seed % 7)
    return history, job.stream


def test_the_looked_up_collections_are_those_that_must_be_read_exactly() -> None:
    assert sorted(EXACT) == ["movies", "users"]


def test_rows_that_nobody_is_joined_with_may_be_newer_than_their_update() -> None:
    for seed in range(600):
        assert breaches(*run(seed, EXACT)) == [], seed


def test_rows_that_others_are_joined_with_being_newer_would_be_noticed() -> None:
    assert any(breaches(*run(seed, frozenset())) for seed in range(3000))
