"""By bucket: subscribers come, go and are told."""

from __future__ import annotations

from flows.join import members
from flows.join.members import MembersState, apply
from flows.join.messages import Answer, Join, Leave, Message, Spread, Update
from tests.flows.joining import MOVIE, PLAN, messages, position

SPREAD = Spread(MOVIE.number, '"m"', Answer(3, "{}", position(7)), position(7), 7)


def after(*told: Message) -> MembersState:
    state = MembersState()
    for message in told:
        state, out = apply(PLAN, state, message)
        assert out == []
    return state


def test_all_in_a_bucket_are_told_of_the_newest_answer_with_its_cause() -> None:
    state = after(Join(MOVIE.number, "a", position(1)), Join(MOVIE.number, "b", position(2)))
    same, out = apply(PLAN, state, SPREAD)
    assert same == state
    assert messages(out) == [Update(MOVIE.number, key, '"m"', SPREAD.answer, position(7), 7) for key in ("a", "b")]


def test_who_left_is_forgotten() -> None:
    assert members.is_idle(
        after(Join(MOVIE.number, "a", position(1)), Leave(MOVIE.number, "a", position(2), early=True))
    )


def test_a_leaving_does_not_end_a_later_stay() -> None:
    state = after(Join(MOVIE.number, "a", position(3)), Leave(MOVIE.number, "a", position(2), early=True))
    assert not members.is_idle(state)


def test_an_earlier_stay_that_comes_late_does_not_shorten_a_later_one() -> None:
    late = after(Join(MOVIE.number, "a", position(5)), Join(MOVIE.number, "a", position(1)))
    state, _ = apply(PLAN, late, Leave(MOVIE.number, "a", position(3), early=True))
    assert not members.is_idle(state)
