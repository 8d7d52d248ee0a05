"""The promises of the join and the sink, held against a batch join over random histories, interleavings and crashes."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.once import Tail
from connectors.records import Record, Versions
from flows.join import shards, values
from flows.join.messages import Routed
from flows.join.plan import LookupPlan, Plan
from tests.flows import network
from tests.flows.histories import VIEWS, History, random_history
from tests.flows.network import Job
from tests.flows.slots import Sizes, use

PLAN = Plan(VIEWS)


def breaches(history: History, stream: list[Record]) -> list[str]:
    """The promises that this stream breaks, in words."""
    bad: list[str] = []
    last: dict[str, Record] = {}
    own: Counter[str] = Counter()
    for record in (r for r in stream if r.view == "comments"):
        before = last.get(record.key)
        if before is not None and not record.versions.is_forward_of(before.versions):
            bad.append(f"{record.key}: {record.versions} is not forward of {before.versions}")
        unread = before is not None and before.op == "u" and before.after is None
        if before is not None and not unread and before.after != record.before:
            bad.append(f"{record.key}: before {record.before} is not what the feed said, {before.after}")
        own[record.key] += record.cause is None
        last[record.key] = record
    changes = Counter(c.key for c in history.changes if c.collection == "comments")
    if own != changes:
        bad.append(f"changes {dict(changes)}, records without cause {dict(own)}")
    for key in changes:
        record = last.get(key)
        got = None if record is None or record.after is None else json.loads(record.after)
        if got != history.joined.get(json.loads(key)):
            bad.append(f"{key}: the last record holds {got}, the batch join {history.joined.get(json.loads(key))}")
    return bad


def run(seed: int, *, images: bool = True, comments: int = 3) -> tuple[History, list[Record]]:
    rnd = random.Random(seed)
    history = random_history(rnd, length=rnd.randrange(5, 40), comments=comments, images=images)
    job = Job(rnd, PLAN, history.changes, partitions=1 + seed % 3)
    job.run(crashes=seed % 7)
    return history, job.stream


@settings(max_examples=600)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_every_history_and_interleaving_keeps_the_promises_through_crashes(seed: int) -> None:
    history, stream = run(seed)
    assert breaches(history, stream) == []


@pytest.fixture
def tiny_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "SLICE", 1)


@pytest.mark.usefixtures("tiny_slices")
def test_subscribers_told_in_slices_keep_the_promises_too() -> None:
    for seed in range(400):
        history, stream = run(seed, comments=9)
        assert breaches(history, stream) == [], seed


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(fresh=1, recent=1, share=0, recent_share=0, chunk=1, gathered=1),
        Sizes(fresh=2, recent=2, share=0, recent_share=0, chunk=2, gathered=2),
        Sizes(fresh=2, recent=1, share=2, chunk=1, gathered=1),
        Sizes(fresh=3, recent=2, share=0, recent_share=0, chunk=4, gathered=1),
    ],
)
def test_state_that_moves_from_slot_to_slot_keeps_the_promises_too(
    sizes: Sizes, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sizes, monkeypatch)
    monkeypatch.setattr(shards, "NAMES", ("00", "01") * 32)
    for seed in range(200):
        history, stream = run(seed, comments=9)
        assert breaches(history, stream) == [], seed


def test_updates_whose_row_was_gone_when_looked_up_keep_the_promises() -> None:
    for seed in range(400):
        history, stream = run(seed, images=False)
        assert breaches(history, stream) == [], seed


@pytest.mark.parametrize("seed", [1644, 2200, 6311, 11657, 17161])
def test_a_version_that_overtakes_an_earlier_stay_at_the_same_foreign_key_keeps_its_subscription(seed: int) -> None:
    history, stream = run(seed, images=bool(seed % 2))
    assert breaches(history, stream) == []


def test_once_everything_was_made_again_the_mark_moves_on() -> None:
    for seed in range(600):
        rnd = random.Random(seed)
        history = random_history(rnd, length=rnd.randrange(5, 40))
        job = Job(rnd, PLAN, history.changes, partitions=1 + seed % 3)
        job.run(crashes=seed % 7)
        assert job.settled, seed


def one_is_broken(seeds: int) -> bool:
    return any(breaches(*run(seed)) for seed in range(seeds))


def test_a_mark_that_always_moves_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tail, "settled", property(lambda _: True))
    assert one_is_broken(300)


def test_a_row_version_written_twice_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_it_came(record: Record, _standing: Versions, _after: str | None) -> Record:
        return record

    monkeypatch.setattr(network, "following", as_it_came)
    assert one_is_broken(300)


def test_answering_only_when_the_answer_changed_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = values._tell  # pyright: ignore[reportPrivateUsage]
    told: dict[tuple[int, str | None], str] = {}

    def lazy(plan: Plan, lookup: LookupPlan, value: values.Value, keys: Iterable[str], out: list[Routed]) -> None:
        place = (lookup.number, value.answer[1])
        if told.get(place) != value.answer[3]:
            tell(plan, lookup, value, keys, out)
        told[place] = value.answer[3]

    monkeypatch.setattr(values, "_tell", lazy)
    for seed in range(3000):
        told.clear()
        if breaches(*run(seed)):
            return
    pytest.fail("nobody noticed")
