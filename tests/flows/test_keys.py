"""By row, where a change begins: versions are numbered, and what they leave behind is told."""

from __future__ import annotations

import pytest

from connectors.joined_rows import NO_REFERENCE, NONE, Answer
from flows.join.messages import (
    Candidate,
    CandidateChange,
    Leave,
    Lost,
    Noted,
    Refs,
    Version,
)
from flows.join.plan import next_stop
from flows.join.rows import RowShard
from tests.flows.joining import (
    COMMENTS,
    MOVIE,
    PLAN,
    USER,
    answered,
    begun,
    ended,
    messages,
    place,
    places,
    position,
    restored,
    unread,
    version,
)


@pytest.fixture
def shard() -> RowShard:
    return RowShard(PLAN)


def knowing(movie: str | None, user: str | None = None) -> RowShard:
    """A shard with a row "c", of an earlier epoch, that refers to these."""
    shard = RowShard(PLAN)
    begun(shard, version(1, "c", movie, user))
    answers: list[Answer] = [(0, fk, None, NONE) for fk in (movie, user)]
    ended(shard, answered(version(1, "c", movie, user), *answers))
    shard.close()
    return shard


def test_a_new_row_visits_its_foreign_keys_in_turn(shard: RowShard) -> None:
    out = begun(shard, version(1, "c", '"m"', '"a"'))
    assert places(out) == [place(MOVIE.stage, '"m"')]
    [sent] = messages(out)
    assert (sent.turn, sent.refs, sent.answers) == (1, ('"m"', '"a"'), [])


def test_a_row_that_refers_to_nothing_has_its_answers_at_once(shard: RowShard) -> None:
    out = begun(shard, version(1, "c", None))
    assert places(out) == [place(PLAN.rows, "c")]
    assert messages(out)[0].answers == [NO_REFERENCE, NO_REFERENCE]


def test_a_missing_first_reference_is_passed_over(shard: RowShard) -> None:
    out = begun(shard, version(1, "c", None, '"a"'))
    assert places(out) == [place(USER.stage, '"a"')]
    assert messages(out)[0].answers == [NO_REFERENCE]


def test_versions_are_numbered_in_the_order_in_which_they_come(shard: RowShard) -> None:
    sent = messages(begun(shard, *(version(at, "c", '"m"') for at in (1, 2, 3)), version(4, "other", '"m"')))
    assert [(v.key, v.turn) for v in sent] == [("c", 1), ("c", 2), ("c", 3), ("other", 1)]


def test_a_foreign_key_that_is_left_hears_of_it() -> None:
    out = begun(knowing('"m"'), version(2, "c", '"n"'))
    assert places(out) == [place(MOVIE.stage, '"m"'), place(MOVIE.stage, '"n"')]
    assert messages(out)[0] == Leave(MOVIE.number, '"m"', "c", position(2), early=False)


def test_only_a_row_with_other_versions_in_the_epoch_can_leave_before_it_came(shard: RowShard) -> None:
    out = begun(shard, version(1, "c", '"m"'), version(2, "c", '"n"'))
    assert messages(out)[1] == Leave(MOVIE.number, '"m"', "c", position(2), early=True)


def test_a_foreign_key_that_stays_is_not_left() -> None:
    assert [type(m) for m in messages(begun(knowing('"m"'), version(2, "c", '"m"')))] == [Version]


def test_a_delete_leaves_every_foreign_key_and_goes_straight_to_the_row() -> None:
    shard = knowing('"m"', '"a"')
    out = begun(shard, version(2, "c", None, op="d"))
    assert places(out)[-1] == place(PLAN.rows, "c")
    assert [type(m) for m in messages(out)] == [Leave, Leave, Version]
    assert [type(m) for m in messages(begun(shard, version(3, "c", '"n"', '"a"')))] == [Version]


def test_a_version_that_could_not_be_read_leaves_nothing() -> None:
    shard = knowing('"m"')
    out = begun(shard, unread(2, "c"))
    assert places(out) == [place(PLAN.rows, "c")]
    assert messages(begun(shard, version(3, "c", '"n"')))[0].fk == '"m"'


def test_after_the_last_answer_a_version_goes_to_its_row() -> None:
    met = answered(version(1, "c", '"m"'), NO_REFERENCE, NO_REFERENCE)
    assert next_stop(PLAN, COMMENTS, met)[:2] == place(PLAN.rows, "c")


@pytest.mark.parametrize("refs", [('"n"', None), (None, None), None])
@pytest.mark.parametrize("is_known", [True, False])
def test_after_a_version_that_was_lost_the_next_one_leaves_what_that_one_came_to(
    refs: Refs | None, *, is_known: bool
) -> None:
    shard = knowing('"m"') if is_known else RowShard(PLAN)
    begun(shard, version(2, "c", '"n"') if refs else version(2, "c", None, op="d"))
    assert ended(shard, Lost(COMMENTS.number, "c", 1, refs)) == []
    shard.close()
    for resumed in (restored(shard, RowShard(PLAN)), shard):  # also after a restart
        out = messages(begun(resumed, version(3, "c", '"o"')))
        left = [m.fk for m in out if isinstance(m, Leave)]
        assert left == [fk for fk in refs or () if fk is not None]


def moved(at: int, foreign: str | None) -> CandidateChange:
    return CandidateChange(USER.number, "u", foreign, None if foreign is None else "{}", position(at), at)


def test_a_looked_up_row_moves_from_one_value_to_another(shard: RowShard) -> None:
    begun(shard, moved(1, '"a"'))
    out = begun(shard, moved(2, '"b"'))
    assert messages(out) == [
        Candidate(USER.number, '"a"', "u", None, position(2), 2),
        Candidate(USER.number, '"b"', "u", "{}", position(2), 2),
        Noted(),
    ]
    assert places(out) == [place(USER.stage, '"a"'), place(USER.stage, '"b"'), place(PLAN.rows, "u")]


def test_a_looked_up_row_that_stays_or_goes_says_so_once(shard: RowShard) -> None:
    begun(shard, moved(1, '"a"'))
    assert places(begun(shard, moved(2, '"a"'))) == [place(USER.stage, '"a"')]
    assert shard.found == 1
    [gone, noted] = messages(begun(shard, moved(3, None)))
    assert (gone.text, noted) == (None, Noted())
    assert shard.found == 0


def test_an_epochs_end_forgets_the_turns_but_not_the_references() -> None:
    out = messages(begun(knowing('"m"'), version(2, "c", '"n"')))
    assert (out[0].fk, out[1].turn) == ('"m"', 1)


def test_what_is_not_for_the_stage_is_refused(shard: RowShard) -> None:
    with pytest.raises(TypeError, match="the keys stage got a Lost"):
        begun(shard, Lost(COMMENTS.number, "c", 1, None))
    with pytest.raises(TypeError, match="the rows stage got a CandidateChange"):
        ended(shard, moved(1, None))
