"""What a person reads of a record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRecord
from connectors.records import LookupVersion, Record, Versions
from connectors.summaries import UNSET, Diff, Joined, one_line, summary_of, value_text

NONE = LookupVersion(1, None, None)


def record(
    op: Any = "u",
    *,
    before: object = None,
    after: object = None,
    changed: tuple[str, ...] | None = None,
    lookups: tuple[str, ...] = (),
) -> Record:
    return Record(
        "comments",
        op,
        "k",
        0,
        "p1",
        Versions("p1", dict.fromkeys(lookups, NONE)),
        before=None if before is None else json.dumps(before),
        after=None if after is None else json.dumps(after),
        changed=changed,
    )


def test_a_film_is_called_by_title_and_year() -> None:
    assert summary_of(record("c", after={"_id": "1", "title": "The Matrix", "year": 1999})).row == "The Matrix (1999)"


def test_a_row_without_a_name_is_its_first_plain_fields() -> None:
    after = {"_id": "1", "qty": 3, "tags": ["a"], "paid": True, "note": None, "more": 1}
    assert summary_of(record("c", after=after)).row == "qty: 3, paid: true, note: null"


def test_a_joined_comment_shows_its_film_and_user() -> None:
    after = {"name": "Neo", "text": "Whoa.", "movie": {"title": "The Matrix", "year": 1999}, "user": None}
    summary = summary_of(record("c", after=after, lookups=("movie", "user")))
    assert summary.row == "Whoa."
    film = Joined("movie", "The Matrix (1999)", "movie.title", "The Matrix")
    assert summary.joined == (film, Joined("user", None))


def test_a_deleted_row_is_called_by_what_it_was() -> None:
    assert summary_of(record("d", before={"title": "Gigli"})).row == "Gigli"
    assert summary_of(record("d")).row == ""


def test_an_update_shows_old_and_new_of_each_changed_leaf() -> None:
    before = {"title": "The Matrix", "imdb": {"rating": 8.7}, "gone": 1, "a.b": "x"}
    after = {"title": "The Matrix", "imdb": {"rating": 8.8}, "cast": ["Keanu Reeves"], "a.b": "y"}
    summary = summary_of(record(before=before, after=after, changed=("imdb.rating", "cast", "gone", "a.b")))
    assert summary.diffs == (
        Diff("imdb.rating", "8.7", "8.8"),
        Diff("cast", UNSET, '["Keanu Reeves"]'),
        Diff("gone", "1", UNSET),
        Diff("a.b", "x", "y"),
    )


def test_a_joined_row_that_is_gone_is_one_change() -> None:
    before = {"text": "Whoa.", "movie": {"title": "The Matrix", "year": 1999}}
    after = {"text": "Whoa.", "movie": None}
    changed = ("movie", "movie.title", "movie.year")
    gone = summary_of(record(before=before, after=after, changed=changed, lookups=("movie",)))
    assert gone.diffs == (Diff("movie", "The Matrix (1999)", "none"),)
    came = summary_of(record(before=after, after=before, changed=changed, lookups=("movie",)))
    assert came.diffs == (Diff("movie", "none", "The Matrix (1999)"),)


def test_without_the_row_before_the_old_value_is_unknown() -> None:
    assert summary_of(record(after={"n": 2}, changed=("n",))).diffs == (Diff("n", None, "2"),)


def test_controls_and_direction_marks_cannot_act() -> None:
    assert one_line("a\x1b[31mred\r\nb\u202egnp.exe", 80) == "a\ufffd[31mred b\ufffdgnp.exe"


@given(st.text(), st.integers(2, 50))
def test_a_line_is_one_short_line(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert len(line) <= longest
    assert line.splitlines() in ([line], [])


def test_a_large_value_is_cut_before_it_costs() -> None:
    huge = {"rows": [{"text": "x" * 1_000_000, "n": i} for i in range(1000)]}
    assert len(value_text(huge, 100)) <= 100


def test_a_row_that_is_no_object_is_a_bad_record() -> None:
    with pytest.raises(BadRecord, match="no JSON object"):
        summary_of(record("c", after=[1]))
    with pytest.raises(BadRecord, match="no JSON"):
        summary_of(record("c")._replace(after="{"))
