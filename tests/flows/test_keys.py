"""By row: versions are numbered, and what they leave behind is told."""

from __future__ import annotations

from flows.join import keys
from flows.join.keys import KeysState, apply, close
from flows.join.messages import NO_REFERENCE, Candidate, CandidateChange, Leave, Version
from tests.flows.joining import MOVIE, PLAN, USER, answered, messages, places, position, row_change, version

EMPTY = KeysState()


def test_a_new_row_visits_its_foreign_keys_in_turn() -> None:
    state, out = apply(PLAN, EMPTY, row_change(1, "c", '"m"', '"a"'))
    assert state == KeysState(('"m"', '"a"'), 1)
    assert places(out) == [(MOVIE.stage, 'comments.movie "m"')]
    assert out[0][1][1] == Version(row_change(1, "c", '"m"', '"a"'), 1, (True, True), ())


def test_a_row_that_refers_to_nothing_has_its_answers_at_once() -> None:
    _, out = apply(PLAN, EMPTY, row_change(1, "c", None))
    assert places(out) == [(PLAN.rows, "comments c")]
    assert messages(out)[0].answers == (NO_REFERENCE, NO_REFERENCE)


def test_a_missing_first_reference_is_passed_over() -> None:
    _, out = apply(PLAN, EMPTY, row_change(1, "c", None, '"a"'))
    assert places(out) == [(USER.stage, 'comments.user "a"')]
    assert messages(out)[0].answers == (NO_REFERENCE,)


def test_a_foreign_key_that_is_left_hears_of_it_and_the_new_one_of_a_subscriber() -> None:
    _, out = apply(PLAN, KeysState(('"m"', None), 1), row_change(2, "c", '"n"'))
    assert places(out) == [(MOVIE.stage, 'comments.movie "m"'), (MOVIE.stage, 'comments.movie "n"')]
    assert messages(out)[0] == Leave(MOVIE.number, "c", position(2), early=True)
    assert messages(out)[1].new == (True, False)


def test_only_a_row_with_other_versions_in_the_epoch_can_leave_before_it_came() -> None:
    _, out = apply(PLAN, close(KeysState(('"m"', None), 3)), row_change(2, "c", '"n"'))
    assert messages(out)[0] == Leave(MOVIE.number, "c", position(2), early=False)


def test_a_foreign_key_that_stays_knows_its_subscriber_already() -> None:
    state, out = apply(PLAN, KeysState(('"m"', None), 3), row_change(2, "c", '"m"'))
    assert messages(out)[0].new == (False, False)
    assert (state.turn, messages(out)[0].turn) == (4, 4)


def test_a_delete_leaves_every_foreign_key_and_goes_straight_to_the_row() -> None:
    state, out = apply(PLAN, KeysState(('"m"', '"a"'), 0), row_change(2, "c", None, op="d"))
    assert state.refs is None
    assert places(out)[-1] == (PLAN.rows, "comments c")
    assert [type(m) for m in messages(out)] == [Leave, Leave, Version]


def test_a_version_that_could_not_be_read_leaves_nothing() -> None:
    unread = row_change(2, "c", None)._replace(row=None, refs=None)
    state, out = apply(PLAN, KeysState(('"m"', None), 0), unread)
    assert state == KeysState(('"m"', None), 1)
    assert places(out) == [(PLAN.rows, "comments c")]


def test_after_the_last_answer_a_version_goes_to_its_row() -> None:
    met = answered(version(1, "c", '"m"'), NO_REFERENCE, NO_REFERENCE)
    assert keys.next_stop(PLAN, PLAN.views[met.change.view], met)[1][0] == PLAN.rows


def moved(at: int, foreign: str | None) -> CandidateChange:
    return CandidateChange(USER.number, "u", foreign, None if foreign is None else "{}", position(at), at)


def test_a_looked_up_row_moves_from_one_value_to_another() -> None:
    state, out = apply(PLAN, KeysState(('"a"',)), moved(2, '"b"'))
    assert state == KeysState(('"b"',))
    assert messages(out) == [
        Candidate(USER.number, '"a"', "u", None, position(2), 2),
        Candidate(USER.number, '"b"', "u", "{}", position(2), 2),
    ]


def test_a_looked_up_row_that_stays_or_goes_says_so_once() -> None:
    _, stays = apply(PLAN, KeysState(('"a"',)), moved(2, '"a"'))
    assert places(stays) == [(USER.stage, 'comments.user "a"')]
    state, gone = apply(PLAN, KeysState(('"a"',)), moved(2, None))
    assert [m.text for m in messages(gone)] == [None]
    assert keys.is_idle(state)


def test_an_epochs_end_forgets_the_turns_but_not_the_references() -> None:
    assert keys.close(KeysState(('"m"', None), 5)) == KeysState(('"m"', None))
    assert keys.is_idle(keys.close(KeysState(None, 2)))
