"""By foreign key: who stands there, the count of changes, and who is told."""

from __future__ import annotations

import pytest

from connectors.joined_rows import NONE, Answer
from flows.join import values
from flows.join.messages import Candidate, Leave, Lost, Routed, Update, Version
from flows.join.shards import shard_of
from flows.join.values import ValueShard
from tests.flows.joining import (
    COMMENTS,
    MOVIE,
    PLAN,
    answer,
    applied,
    messages,
    passing,
    place,
    places,
    position,
    restored,
)

FK = '"m"'


@pytest.fixture
def shard() -> ValueShard:
    return ValueShard(PLAN, [MOVIE])


def stands(at: int, key: str, text: str | None, fk: str = FK) -> Candidate:
    return Candidate(MOVIE.number, fk, key, text, position(at), at)


def leaves(at: int, key: str, *, early: bool = False) -> Leave:
    return Leave(MOVIE.number, FK, key, position(at), early)


def comes(at: int, key: str, *, turn: int = 1) -> Version:
    return passing(at, key, FK, turn=turn)


def told(routed: list[Routed]) -> list[str]:
    """The keys of all who are told, in order."""
    return [key for message in messages(routed) if isinstance(message, Update) for key in message.keys]


def told_later(shard: ValueShard) -> list[Routed]:
    out: list[Routed] = []
    while shard.is_due:
        shard.tell_more(out)
    return out


def met(shard: ValueShard, at: int) -> Answer:
    """The answer that a version meets now, of a row that then leaves."""
    return messages(applied(shard, comes(at, "reader"), leaves(at, "reader")))[0].answers[0]


def test_a_passing_version_takes_the_answer_along_also_that_there_is_none(shard: ValueShard) -> None:
    out = applied(shard, comes(1, "c"), stands(2, "m", "{}"), comes(3, "d"))
    met = [message for message in messages(out) if isinstance(message, Version)]
    assert [message.answers[0] for message in met] == [answer(0, NONE, None), answer(1, "{}", 2)]


def test_every_subscriber_is_told_of_a_change_those_of_one_shard_at_once(shard: ValueShard) -> None:
    keys = [f"c{i}" for i in range(100)]
    applied(shard, *(comes(1, key) for key in keys))
    out = applied(shard, stands(3, "m", "{}"))
    assert sorted(told(out)) == sorted(keys)
    assert len(out) == len({shard_of(key) for key in keys})
    for where, update in zip(places(out), messages(out), strict=True):
        assert {place(PLAN.rows, key) for key in update.keys} == {where}
        assert update == Update(MOVIE.number, update.keys, answer(1, "{}", 3), position(3), 3)


def test_a_row_that_stays_is_told_once_and_is_nothing_to_write(shard: ValueShard) -> None:
    keys = [f"c{i:03}" for i in range(100)]
    applied(shard, *(comes(1, key) for key in keys))
    restored(shard, ValueShard(PLAN, [MOVIE]))
    shard.close()
    applied(shard, *(comes(2, key) for key in keys), *(comes(3, key, turn=2) for key in keys))
    assert shard.levels.to_write() == ()
    assert sorted(told(applied(shard, stands(3, "m", "{}")))) == keys


def test_a_change_that_alters_no_chosen_field_is_no_change(shard: ValueShard) -> None:
    applied(shard, stands(1, "m", "{}"), comes(2, "c"))
    assert applied(shard, stands(3, "m", "{}"), stands(3, "other", None)) == []
    assert met(shard, 4) == answer(1, "{}", 1)


def test_a_value_that_nobody_ever_stood_under_is_not_kept(shard: ValueShard) -> None:
    assert applied(shard, stands(1, "m", None)) == []
    assert len(shard) == 0


def test_of_two_rows_that_share_the_value_the_smallest_key_answers(shard: ValueShard) -> None:
    applied(shard, stands(1, "m2", '"two"'), stands(2, "m1", '"one"'))
    assert met(shard, 3) == answer(2, '"one"', 2)
    applied(shard, stands(4, "m1", None))
    assert met(shard, 5) == answer(3, '"two"', 1)


def test_a_change_behind_the_answer_raises_the_count_and_is_told_as_well(shard: ValueShard) -> None:
    applied(shard, stands(1, "m1", "1"), comes(2, "c"))
    [update] = messages(applied(shard, stands(3, "m2", "2")))
    assert update.answer == answer(2, "1", 1)


def test_who_leaves_is_told_no_more(shard: ValueShard) -> None:
    applied(shard, comes(1, "c"))
    shard.close()
    applied(shard, leaves(2, "c"))
    assert applied(shard, stands(3, "m", "{}")) == []


def test_who_left_before_it_came_does_not_stay(shard: ValueShard) -> None:
    applied(shard, leaves(2, "c", early=True), comes(1, "c"))
    shard.close()
    assert applied(shard, stands(3, "m", "{}")) == []


def test_who_left_and_came_again_stays(shard: ValueShard) -> None:
    applied(shard, leaves(2, "c", early=True), comes(3, "c", turn=3), comes(1, "c"))
    assert told(applied(shard, stands(4, "m", "{}"))) == ["c"]


def test_who_left_after_a_later_stay_began_stays(shard: ValueShard) -> None:
    applied(shard, comes(3, "c", turn=3), comes(1, "c"), leaves(2, "c", early=True))
    assert told(applied(shard, stands(4, "m", "{}"))) == ["c"]


def test_a_leave_matters_until_the_epoch_ends(shard: ValueShard) -> None:
    applied(shard, leaves(9, "c", early=True))
    shard.close()
    applied(shard, comes(1, "c"))
    assert told(applied(shard, stands(4, "m", "{}"))) == ["c"]


def test_the_count_outlives_those_who_stood_there(shard: ValueShard) -> None:
    applied(shard, stands(1, "m", "{}"), stands(2, "m", None))
    assert met(shard, 3) == answer(2, NONE, None)


def test_the_count_of_a_value_that_nobody_asks_for_is_forgotten_in_the_end(
    shard: ValueShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(shard, stands(1, "m", "{}"), comes(2, "c"), stands(3, "m", None))
    applied(shard, stands(1, "n", "{}", '"n"'))
    shard.forget()
    monkeypatch.setattr(values, "FORGET_AFTER_S", 0.0)
    shard.forget()
    assert len(shard) == 2  # one has a subscriber, the other a row
    applied(shard, leaves(4, "c"))
    monkeypatch.setattr(values, "FORGET_AFTER_S", 3600.0)
    shard.forget()
    assert len(shard) == 2
    resumed = restored(shard, ValueShard(PLAN, [MOVIE]))
    monkeypatch.setattr(values, "FORGET_AFTER_S", 0.0)
    for of in (shard, resumed):  # also when it was idle before a restart
        of.forget()
        assert len(of) == 1
    assert met(shard, 5) == answer(0, NONE, None)


def test_the_count_of_a_value_that_somebody_asked_for_again_is_kept(
    shard: ValueShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(shard, stands(1, "m", "{}"), stands(2, "m", None), comes(3, "c"))
    monkeypatch.setattr(values, "FORGET_AFTER_S", 0.0)
    shard.forget()
    assert met(shard, 4) == answer(2, NONE, None)


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "SLICE", 3)


KEYS = [f"c{i:02}" for i in range(20)]


def followed() -> ValueShard:
    """Twenty comments refer to the movie."""
    shard = ValueShard(PLAN, [MOVIE])
    applied(shard, *(comes(1, key) for key in KEYS))
    shard.close()
    return shard


@pytest.mark.usefixtures("small_slices")
def test_subscribers_are_told_slice_by_slice_each_once() -> None:
    shard = followed()
    first = told(applied(shard, stands(30, "m", '"x"')))
    assert (len(first), shard.is_due, shard.pending) == (3, True, 1)
    out: list[Routed] = []
    shard.tell_more(out)
    assert len(told(out)) == 3
    assert sorted(first + told(out) + told(told_later(shard))) == KEYS
    assert (shard.is_due, shard.pending) == (False, 0)


@pytest.mark.usefixtures("small_slices")
def test_those_told_late_hear_the_newest_and_a_newer_change_is_told_to_all() -> None:
    shard = followed()
    applied(shard, stands(30, "m", '"old"'))
    newer = applied(shard, stands(31, "m", '"new"')) + told_later(shard)
    assert {m.answer[3] for m in messages(newer)} == {'"new"'}
    assert sorted(told(newer)) == KEYS


@pytest.mark.usefixtures("small_slices")
def test_foreign_keys_take_turns_in_telling(shard: ValueShard) -> None:
    for fk in (FK, '"n"'):
        applied(shard, *(passing(1, key, fk) for key in KEYS[:9]))
        applied(shard, stands(30, "m", '"x"', fk))
    turns = [m.answer[1] for m in messages(told_later(shard))]
    assert turns.index('"n"') < len(turns) - 1 - turns[::-1].index(FK)


@pytest.mark.usefixtures("small_slices")
def test_who_leaves_or_comes_while_others_are_told_does_not_disturb_the_telling() -> None:
    shard = followed()
    first = told(applied(shard, stands(30, "m", '"x"')))
    stays = [key for key in KEYS if key not in first][1:]
    gone = next(key for key in KEYS if key not in (*first, *stays))
    applied(shard, leaves(31, gone), comes(32, "late"))
    assert set(stays) <= set(told(told_later(shard)))


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("slices", [0, 1, 5, 6])
def test_a_restart_while_subscribers_are_told_tells_all_of_them_and_one_after_it_tells_nobody(slices: int) -> None:
    shard = followed()
    applied(shard, stands(30, "m", '"x"'))
    for _ in range(slices):
        shard.tell_more([])
    resumed = restored(shard, ValueShard(PLAN, [MOVIE]))
    assert resumed.is_due is shard.is_due
    again = told_later(resumed)
    assert sorted(told(again)) == (KEYS if slices < 6 else [])
    assert {m.answer for m in messages(again)} <= {answer(1, '"x"', 30)}


def test_what_is_not_for_the_stage_is_refused(shard: ValueShard) -> None:
    with pytest.raises(TypeError, match="the values stage got a Lost"):
        applied(shard, Lost(COMMENTS.number, "c", 1, None))
