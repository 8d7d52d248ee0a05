"""Writes as values."""

from __future__ import annotations

from dbwatch.writes import batches, delete, insert, update


def test_a_batch_ends_where_a_row_is_written_again() -> None:
    first = [insert("movies", {"_id": 1}), insert("users", {"_id": 1}), update("movies", 2, set={"year": 1999})]
    second = [update("movies", 1, inc={"imdb.votes": 1}), delete("movies", 2)]
    assert list(batches([*first, *second])) == [first, second]


def test_nothing_makes_no_batch() -> None:
    assert list(batches([])) == []


def test_an_update_names_its_operators() -> None:
    assert update("movies", 1, set={"a": 1}, inc={"b": 2}).body == {"$set": {"a": 1}, "$inc": {"b": 2}}
