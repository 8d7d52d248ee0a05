"""By row: versions in order, joined with the newest answers known, and joined again when one changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.records import LookupVersion, Record
from flows.join import rows
from flows.join.messages import NO_REFERENCE, NONE, Answer, Message, Update
from flows.join.rows import RowState, apply
from tests.flows.joining import MOVIE, PLAN, answered, messages, position, row_change, version

FK = '"m"'
OLD, NEW = Answer(1, '{"title":"old"}', position(1)), Answer(2, '{"title":"new"}', position(2))


def arrived(at: int, answer: Answer = OLD, *, turn: int = 1, fk: str = FK) -> Message:
    return answered(version(at, "c", fk, turn=turn), answer, NO_REFERENCE)


def update(answer: Answer, at: int = 9, fk: str = FK) -> Update:
    return Update(MOVIE.number, "c", fk, answer, position(at), at)


def after(*told: Message, state: RowState | None = None) -> tuple[RowState, list[Record]]:
    state = state or RowState()
    records: list[Record] = []
    for message in told:
        state, out = apply(PLAN, state, message)
        records += messages(out)
    return state, records


def row(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def test_a_version_is_one_record_with_its_answers_in_it() -> None:
    _, [record] = after(arrived(5))
    assert row(record.after) == {"_id": "c", "at": 5, "movie": {"title": "old"}, "user": None}
    assert (record.before, record.cause, record.position) == (None, None, position(5))
    assert record.versions.row == position(5)
    assert record.versions.lookups == {
        "movie": LookupVersion(1, FK, position(1)),
        "user": LookupVersion(0, None, None),
    }


def test_versions_that_overtook_each_other_leave_in_order() -> None:
    state, records = after(arrived(7, turn=2), arrived(8, turn=3))
    assert records == []
    _, records = after(arrived(6), state=state)
    assert [record.position for record in records] == [position(6), position(7), position(8)]
    assert [row(record.before) and row(record.before)["at"] for record in records] == [None, 6, 7]
    assert records[1].changed == ("at",)


def test_a_changed_answer_is_a_record_with_its_cause() -> None:
    _, [_, record] = after(arrived(5), update(NEW))
    assert (record.op, record.cause, record.changed) == ("u", "movie", ("movie.title",))
    assert (record.position, record.ts_ms) == (position(9), 9)
    assert record.versions.row == position(5)
    assert row(record.before)["movie"] == {"title": "old"}
    assert row(record.after)["movie"] == {"title": "new"}


def test_an_answer_that_overtook_its_row_is_kept_for_it() -> None:
    _, [record] = after(update(NEW), arrived(5, OLD))
    assert row(record.after)["movie"] == {"title": "new"}
    assert record.versions.lookups["movie"].n == 2


def test_the_newest_answer_of_a_foreign_key_is_never_given_up_for_an_older_one() -> None:
    _, records = after(arrived(5), update(NEW), arrived(6, OLD, turn=2), update(OLD))
    assert [record.versions.lookups["movie"].n for record in records] == [1, 2, 2]


def test_an_answer_for_a_foreign_key_that_was_left_changes_nothing() -> None:
    other = Answer(5, NONE, None)
    _, records = after(arrived(5), arrived(6, other, turn=2, fk='"n"'), update(NEW))
    assert len(records) == 2
    assert row(records[-1].after)["movie"] is None


def test_a_delete_says_which_joined_row_it_took() -> None:
    state, [_, record] = after(arrived(5), version(6, "c", None, turn=2, op="d"))
    assert (record.op, record.after, record.changed) == ("d", None, None)
    assert row(record.before)["movie"] == {"title": "old"}
    assert rows.is_idle(state)


def test_after_an_update_that_could_not_be_read_nothing_is_told_until_its_delete() -> None:
    unread = version(6, "c", None, turn=2)
    unread = unread._replace(change=row_change(6, "c", None)._replace(row=None, refs=None))
    state, [_, record] = after(arrived(5), unread)
    assert (record.op, record.after) == ("u", None)
    assert record.versions.row == position(6)
    state, records = after(update(NEW), version(7, "c", None, turn=3, op="d"), state=state)
    assert [record.op for record in records] == ["d"]


def test_an_epochs_end_keeps_the_row_and_forgets_the_rest() -> None:
    state, _ = after(arrived(5), update(Answer(1, NONE, None), fk='"n"'))
    closed = rows.close(state)
    assert closed == RowState(state.current)
    assert rows.close(closed) is closed


def test_an_epoch_cannot_end_while_a_version_waits() -> None:
    state, _ = after(arrived(5, turn=2))
    with pytest.raises(RuntimeError, match="did not arrive in its epoch"):
        rows.close(state)
