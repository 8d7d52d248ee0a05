"""What is read again is held against what the feed said before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.records import LookupVersion, Record, Versions
from connectors.rereading import FeedBefore, as_differing, said

T = "t5"
FILM = {"_id": "a", "title": "Heat", "movie": {"year": 1995}, "user": None}


def read(key: str, after: dict[str, Any] | None, *, row: str = T, cause: str | None = None) -> Record:
    return Record(
        view="v",
        op="d" if after is None else "u" if cause else "r",
        key=key,
        ts_ms=1,
        position=row,
        versions=Versions(row, {"movie": LookupVersion(1, "m", "p"), "user": LookupVersion(0, None, None)}),
        after=None if after is None else json.dumps(after),
        cause=cause,
    )


def before(*entries: tuple[str, str, dict[str, Any] | None]) -> FeedBefore:
    return FeedBefore(
        T,
        [
            (("v", key), said(f"{i}-0", op, None if after is None else json.dumps(after)))
            for i, (key, op, after) in enumerate(entries, 1)
        ],
    )


def test_a_row_that_the_feed_has_is_not_written_again_whatever_the_order_of_its_fields() -> None:
    reordered = dict(reversed(FILM.items()))
    assert before(("a", "c", FILM)).admit(read("a", reordered)) == (False, None)


def test_the_last_of_a_row_counts() -> None:
    feed = before(("a", "c", FILM), ("a", "u", FILM | {"title": "Alien"}))
    wanted, last = feed.admit(read("a", FILM))
    assert wanted
    assert last is not None
    assert last.entry_id == "2-0"


def test_a_row_that_the_feed_does_not_know_or_called_deleted_is_written_as_it_was_read() -> None:
    feed = before(("b", "c", FILM), ("b", "d", None))
    assert feed.admit(read("a", FILM)) == (True, None)
    assert feed.admit(read("b", FILM)) == (True, None)


def test_a_delete_is_written_only_of_what_the_feed_says_is_there() -> None:
    feed = before(("a", "c", FILM), ("b", "d", None))
    assert [feed.admit(read(key, None))[0] for key in ("a", "b", "c")] == [True, False, False]


def test_an_update_that_found_no_row_differs_from_every_row() -> None:
    assert before(("a", "u", None)).admit(read("a", FILM))[0]


@pytest.mark.parametrize("record", [read("a", FILM, row="t6"), read("a", FILM, cause="movie")])
def test_what_was_not_read_again_is_not_held_against_it(record: Record) -> None:
    assert before(("a", "c", FILM)).admit(record) == (True, None)


def test_a_row_that_changed_itself_is_read_with_what_the_feed_said_before() -> None:
    was = json.dumps(FILM | {"title": "Alien"})
    now = read("a", FILM)
    assert as_differing(now, was) == now._replace(before=was)
    assert as_differing(now, None) == now


def test_where_only_a_lookup_differs_it_is_an_update_that_the_lookup_caused() -> None:
    was = json.dumps(FILM | {"movie": {"year": 1994}, "user": {"name": "P"}})
    record = as_differing(read("a", FILM), was)
    assert (record.op, record.cause, record.before) == ("u", "movie", was)
    assert set(record.changed or ()) == {"movie.year", "user", "user.name"}


def test_a_deleted_row_says_what_it_was() -> None:
    was = json.dumps(FILM)
    assert as_differing(read("a", None), was).before == was
