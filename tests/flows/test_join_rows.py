"""By row: versions in order, joined with the newest answers known, and joined again when one changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.dead_letters import DeadLetter
from connectors.joined_rows import NO_REFERENCE, NONE, Answer
from connectors.records import LookupVersion, Record
from flows.join.messages import Lost, Message, Update, Version
from flows.join.rows import RowShard
from tests.flows.joining import (
    COMMENTS,
    MOVIE,
    PLAN,
    answer,
    answered,
    begun,
    ended,
    messages,
    position,
    restored,
    unread,
    version,
)

FK = '"m"'


OLD, NEW = answer(1, '{"title":"old"}', 1), answer(2, '{"title":"new"}', 2)


@pytest.fixture
def shard() -> RowShard:
    return RowShard(PLAN)


def arrived(at: int, met: Answer = OLD, *, turn: int = 1, key: str = "c") -> Version:
    """A version of a comment, which comes back with this answer."""
    return answered(version(at, key, met[1]), met, NO_REFERENCE, turn=turn)


def update(met: Answer, at: int = 9, *keys: str) -> Update:
    return Update(MOVIE.number, list(keys or ("c",)), met, position(at), at)


def records(shard: RowShard, *told: Message) -> list[Record]:
    return messages(ended(shard, *told))


def row(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def test_a_version_is_one_record_with_its_answers_in_it(shard: RowShard) -> None:
    [record] = records(shard, arrived(5))
    assert row(record.after) == {"_id": "c", "at": 5, "movie": {"title": "old"}, "user": None}
    assert (record.before, record.cause, record.position) == (None, None, position(5))
    assert record.versions.row == position(5)
    assert record.versions.lookups == {
        "movie": LookupVersion(1, FK, position(1)),
        "user": LookupVersion(0, None, None),
    }


def test_versions_that_overtook_each_other_leave_in_order(shard: RowShard) -> None:
    assert records(shard, arrived(8, turn=3), arrived(7, turn=2)) == []
    assert shard.pending == 2
    found = records(shard, arrived(6))
    assert [record.position for record in found] == [position(6), position(7), position(8)]
    assert [row(record.before) and row(record.before)["at"] for record in found] == [None, 6, 7]
    assert found[1].changed == ("at",)
    assert shard.pending == 0


def test_a_version_waits_for_its_own_row_only(shard: RowShard) -> None:
    assert len(records(shard, arrived(7, turn=2), arrived(8, key="other"))) == 1


def test_versions_do_not_wait_for_one_that_was_lost(shard: RowShard) -> None:
    assert records(shard, arrived(7, turn=2)) == []
    [record] = records(shard, Lost(COMMENTS.number, "c", 1, (FK, None)))
    assert record.position == position(7)


def test_a_row_of_which_only_a_lost_version_is_known_is_new_and_is_told_of_no_answer(shard: RowShard) -> None:
    assert records(shard, Lost(COMMENTS.number, "c", 1, (FK, None)), update(NEW)) == []
    [record] = records(shard, arrived(7, turn=2))
    assert (record.before, row(record.after)["at"]) == (None, 7)


def test_a_changed_answer_is_a_record_with_its_cause(shard: RowShard) -> None:
    [_, record] = records(shard, arrived(5), update(NEW))
    assert (record.op, record.cause, record.changed) == ("u", "movie", ("movie.title",))
    assert (record.position, record.ts_ms) == (position(9), 9)
    assert record.versions.row == position(5)
    assert row(record.before)["movie"] == {"title": "old"}
    assert row(record.after)["movie"] == {"title": "new"}


def test_a_changed_answer_reaches_each_row_that_it_is_told_for(shard: RowShard) -> None:
    records(shard, arrived(5, key="a"), arrived(6, key="b"), arrived(7, key="c"))
    assert [record.key for record in records(shard, update(NEW, 9, "a", "unknown", "c"))] == ["a", "c"]


def test_a_row_that_cannot_be_joined_again_is_a_letter_and_the_others_are_joined(shard: RowShard) -> None:
    bad = answered(version(6, "b", FK, op="c"), answer(1, "not JSON", 1), NO_REFERENCE)
    records(shard, arrived(5, key="a"), bad, arrived(7, key="c"))
    out = messages(ended(shard, update(NEW, 9, "a", "b", "c")))
    assert [(type(m), m.key) for m in out] == [(Record, "a"), (DeadLetter, "b"), (Record, "c")]


def test_an_answer_that_overtook_its_row_is_kept_for_it(shard: RowShard) -> None:
    begun(shard, version(5, "c", FK))
    [record] = records(shard, update(NEW), arrived(5, OLD))
    assert row(record.after)["movie"] == {"title": "new"}
    assert record.versions.lookups["movie"].n == 2


def test_an_answer_for_a_row_that_is_nowhere_is_not_kept(shard: RowShard) -> None:
    [record] = records(shard, update(NEW), arrived(5, OLD))
    assert row(record.after)["movie"] == {"title": "old"}


def test_the_newest_answer_of_a_foreign_key_is_never_given_up_for_an_older_one(shard: RowShard) -> None:
    found = records(shard, arrived(5), update(NEW), arrived(6, OLD, turn=2), update(OLD))
    assert [record.versions.lookups["movie"].n for record in found] == [1, 2, 2]


def test_an_answer_for_a_foreign_key_that_was_left_changes_nothing(shard: RowShard) -> None:
    found = records(shard, arrived(5), arrived(6, answer(5, NONE, None, '"n"'), turn=2), update(NEW))
    assert len(found) == 2
    assert row(found[-1].after)["movie"] is None


def test_a_delete_says_which_joined_row_it_took_and_lets_it_go(shard: RowShard) -> None:
    [_, record] = records(shard, arrived(5), answered(version(6, "c", None, op="d"), turn=2))
    assert (record.op, record.after, record.changed) == ("d", None, None)
    assert row(record.before)["movie"] == {"title": "old"}
    assert len(shard) == 0


def test_after_an_update_that_could_not_be_read_nothing_is_told_until_its_delete(shard: RowShard) -> None:
    [_, record] = records(shard, arrived(5), answered(unread(6, "c"), turn=2))
    assert (record.op, record.after) == ("u", None)
    assert record.versions.row == position(6)
    found = records(shard, update(NEW), answered(version(7, "c", None, op="d"), turn=3))
    assert [record.op for record in found] == ["d"]


def test_an_epochs_end_keeps_the_rows_and_forgets_the_rest(shard: RowShard) -> None:
    begun(shard, version(5, "c", FK))
    records(shard, update(answer(7, NONE, None)), arrived(5), arrived(6, turn=2))
    shard.close()
    [record] = records(shard, arrived(7))  # the first of the next epoch, and no early answer is left
    assert (row(record.before)["at"], record.versions.lookups["movie"].n) == (6, 7)
    begun(shard, version(8, "c", FK))
    records(shard, update(answer(9, NONE, None, '"n"')))
    shard.close()
    [record] = records(shard, arrived(9, answer(1, NONE, None, '"n"')))
    assert record.versions.lookups["movie"].n == 1


def test_an_epoch_cannot_end_while_a_version_waits(shard: RowShard) -> None:
    records(shard, arrived(5, turn=2))
    with pytest.raises(RuntimeError, match="a version of comments c did not arrive in its epoch"):
        shard.close()


@pytest.mark.parametrize("spoil", ["", "gone", "lost", "lost first"])
def test_rows_that_were_read_back_go_on_as_if_nothing_had_been(shard: RowShard, spoil: str) -> None:
    if spoil != "lost first":
        records(shard, arrived(5))
    if spoil == "gone":
        records(shard, answered(unread(6, "c"), turn=2))
    if spoil.startswith("lost"):
        records(shard, Lost(COMMENTS.number, "c", 2 if spoil == "lost" else 1, ('"n"', None)))
    shard.close()
    resumed = restored(shard, RowShard(PLAN))
    assert len(resumed) == len(shard) == 1
    later: list[Message] = [update(NEW), arrived(8)]
    assert records(resumed, *later) == records(shard, *later)


def test_rows_that_are_read_back_share_equal_answers() -> None:
    old = RowShard(PLAN)
    for i in range(3):
        ended(old, answered(version(i, f"c{i}", '"m"'), answer(1, '{"title":"long"}', 1), NO_REFERENCE))
    again = RowShard(PLAN)
    for slot in old.levels.to_write():
        if again.levels.restore(slot, old.levels.written(slot)):
            again.resume()
    (rows,) = (of.rows for of in again._of_view.values())  # pyright: ignore[reportPrivateUsage]
    assert len(rows) == 3
    assert len({id(row[2][0]) for row in rows.values()}) == 1
