"""Which records go into a stream after what it holds, and how they read there."""

from __future__ import annotations

import json

from connectors.changes import Op
from connectors.deduplication import Deduplication
from connectors.once import Standing, Tail
from connectors.records import LookupVersion, Record, Versions
from connectors.rereading import FeedBefore, said

HELD = {"1-0": '{"title":"Heat"}'}


def record(key: str, row: int, *, op: Op = "u", title: str = "Alien") -> Record:
    versions = Versions(f"{row:02}", {"movie": LookupVersion(1, "m", None)})
    return Record("v", op, key, 0, f"{row:02}", versions, after=json.dumps({"title": title}))


def tail(key: str, row: int) -> Tail:
    return Tail([(("v", key), Standing("1-0", record(key, row).versions))])


def read_before(position: int) -> FeedBefore:
    return FeedBefore(f"{position:02}", [(("v", "a"), said("1-0", "c", HELD["1-0"]))])


def keys(records: list[Record]) -> list[str]:
    return [f"{one.key}{one.versions.row}" for one in records]


def test_where_the_stream_says_nothing_every_record_goes_in_as_it_is() -> None:
    records = [record("a", 1), record("a", 1)]
    assert Deduplication(HELD.get).wanted(Tail(), records) == records


def test_what_the_stream_has_is_left_out_and_what_follows_it_says_what_was_before() -> None:
    wanted = Deduplication(HELD.get).wanted(tail("a", 2), [record("a", 1), record("a", 2), record("a", 3)])
    assert keys(wanted) == ["a03"]
    assert (wanted[0].before, wanted[0].changed) == (HELD["1-0"], ("title",))


def test_of_a_row_that_the_stream_says_nothing_of_nothing_below_the_floor_is_wanted() -> None:
    deduplication = Deduplication(HELD.get, floor="05")
    assert keys(deduplication.wanted(Tail(), [record("a", 4), record("a", 5), record("b", 6)])) == ["a05", "b06"]
    assert keys(deduplication.wanted(tail("a", 2), [record("a", 3), record("b", 3)])) == ["a03"]


def test_of_rows_that_are_read_again_only_what_differs_from_the_feed_goes_in() -> None:
    same, other = record("a", 7, op="r", title="Heat"), record("a", 7, op="r")
    assert Deduplication(HELD.get).wanted(Tail(), [same], before=read_before(7)) == []
    (wanted,) = Deduplication(HELD.get).wanted(Tail(), [other], before=read_before(7))
    assert (wanted.before, wanted.after) == (HELD["1-0"], other.after)


def test_what_the_tail_says_of_a_row_goes_before_what_the_feed_said() -> None:
    same = record("a", 7, op="r", title="Heat")
    assert keys(Deduplication(HELD.get).wanted(tail("a", 5), [same], before=read_before(7))) == ["a07"]
