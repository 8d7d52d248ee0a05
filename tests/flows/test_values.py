"""By foreign key: who stands there, the count of changes, and who is told."""

from __future__ import annotations

import pytest

from flows.join import values
from flows.join.messages import NONE, Answer, Candidate, Join, Leave, Message, Routed, Spread, Update, Version
from flows.join.values import ValueState, apply
from tests.flows.joining import MOVIE, PLAN, messages, places, position, version

EMPTY = ValueState()
FK = '"m"'


def stands(at: int, key: str, text: str | None) -> Candidate:
    return Candidate(MOVIE.number, FK, key, text, position(at), at)


def after(*told: Message, state: ValueState = EMPTY) -> tuple[ValueState, list[Routed]]:
    """The state after these messages, and all that they led to."""
    out: list[Routed] = []
    for message in told:
        state, more = apply(PLAN, state, message)
        out += more
    return state, out


def test_a_passing_version_takes_the_answer_along_also_that_there_is_none() -> None:
    _, out = after(version(1, "c", FK), stands(2, "m", "{}"), version(3, "d", FK))
    met = [message for message in messages(out) if isinstance(message, Version)]
    assert [message.answers[0] for message in met] == [Answer(0, NONE, None), Answer(1, "{}", position(2))]


def test_every_subscriber_is_told_of_a_change() -> None:
    state, _ = after(version(1, "c", FK), version(2, "d", FK))
    _, out = after(stands(3, "m", "{}"), state=state)
    assert messages(out) == [
        Update(MOVIE.number, key, FK, Answer(1, "{}", position(3)), position(3), 3) for key in ("c", "d")
    ]
    assert places(out) == [(PLAN.rows, "comments c"), (PLAN.rows, "comments d")]


def test_a_change_that_alters_no_chosen_field_is_no_change() -> None:
    state, _ = after(stands(1, "m", "{}"), version(2, "c", FK))
    assert after(stands(3, "m", "{}"), state=state) == (state, [])
    assert after(stands(3, "other", None), state=state) == (state, [])


def test_of_two_rows_that_share_the_value_the_smallest_key_answers() -> None:
    state, _ = after(stands(1, "m2", '"two"'), stands(2, "m1", '"one"'))
    assert state.answer == Answer(2, '"one"', position(2))
    state, _ = after(stands(3, "m1", None), state=state)
    assert state.answer == Answer(3, '"two"', position(1))


def test_a_change_behind_the_answer_raises_the_count_and_is_told_as_well() -> None:
    state, _ = after(stands(1, "m1", "1"), version(2, "c", FK))
    state, out = after(stands(3, "m2", "2"), state=state)
    assert state.answer == Answer(2, "1", position(1))
    assert len(out) == 1


def test_who_leaves_is_told_no_more() -> None:
    state, _ = after(version(1, "c", FK), Leave(MOVIE.number, "c", position(2), early=True))
    assert after(stands(3, "m", "{}"), state=state)[1] == []
    assert values.is_idle(state)


def test_who_left_before_it_came_does_not_stay() -> None:
    state, _ = after(Leave(MOVIE.number, "c", position(2), early=True), version(1, "c", FK))
    assert values.is_idle(values.close(state))
    assert after(stands(3, "m", "{}"), state=state)[1] == []


def test_of_those_who_came_in_an_earlier_epoch_nothing_is_remembered_when_they_leave() -> None:
    leaves = [Leave(MOVIE.number, f"c{i}", position(9), early=False) for i in range(3)]
    assert after(*leaves, state=values.ValueState(members=5))[0].left == {}


def test_who_left_and_came_again_stays() -> None:
    state, _ = after(Leave(MOVIE.number, "c", position(2), early=True), version(3, "c", FK), version(1, "c", FK))
    assert len(after(stands(4, "m", "{}"), state=state)[1]) == 1


def test_the_count_outlives_those_who_stood_there() -> None:
    state, _ = after(stands(1, "m", "{}"), stands(2, "m", None))
    assert values.is_idle(state)
    assert values.counts(state)
    assert state.answer == Answer(2, NONE, None)


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "BUCKET", 2)
    monkeypatch.setattr(values, "SLICE", 1)


@pytest.mark.usefixtures("small_buckets")
def test_later_subscribers_go_to_buckets_whose_number_grows_with_them() -> None:
    state, out = after(*(version(i, f"c{i}", FK) for i in range(1, 21)))
    assert (len(state.near), state.members) == (2, 20)
    assert sum(isinstance(m, Join) for m in messages(out)) == 18
    assert values.buckets(state.generation) * 2 >= 18


@pytest.mark.usefixtures("small_buckets")
def test_buckets_are_told_slice_by_slice_and_those_told_late_hear_the_newest() -> None:
    state, _ = after(*(version(i, f"c{i}", FK) for i in range(1, 21)))
    state, first = after(stands(30, "m", '"old"'), state=state)
    assert [type(m) for m in messages(first)] == [Update, Update, Spread]
    state, _ = after(stands(31, "m", '"new"'), state=state)
    told: list[Routed] = []
    while values.is_due(state):
        state, out = values.tell_more(PLAN, state)
        told += out
    assert {m.answer.text for m in messages(told)} == {'"new"'}
    assert len(set(places(told))) >= values.buckets(state.generation) - 1


@pytest.mark.usefixtures("small_buckets")
def test_to_leave_a_subscriber_is_looked_for_in_its_bucket_of_each_generation() -> None:
    state, joined = after(*(version(i, f"c{i}", FK) for i in range(1, 21)))
    homes = {m.key: place for place, m in zip(places(joined), messages(joined), strict=True) if isinstance(m, Join)}
    for key, home in homes.items():
        _, out = after(Leave(MOVIE.number, key, position(99), early=True), state=state)
        assert home in places(out)
        assert len(out) == state.generation


@pytest.mark.usefixtures("small_buckets")
def test_buckets_are_given_up_when_nobody_is_left_in_them() -> None:
    state, _ = after(*(version(i, f"c{i}", FK) for i in range(1, 6)))
    state, _ = after(*(Leave(MOVIE.number, f"c{i}", position(9), early=True) for i in range(1, 6)), state=state)
    assert values.close(state) == EMPTY
