"""The history's pages: what a browser may ask, and what it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.errors import ConfigError
from connectors.places import Entry, Page, Place, Span
from connectors.reach import Reach
from connectors.records import Record, Versions
from connectors.summaries import Diff
from dashboard.history.pages import MOST_ROWS, Chosen, Turn, history_row, page_value

A, B, C = Place(10, 0, 0), Place(10, 0, 1), Place(12, 3, 0)
WHOLE = Reach(3, A, C, None, 0)


def entry(place: Place, op: Any = "c", **changes: Any) -> Entry:
    record = Record("movies", op, "k", 9, "p", Versions("p", {}), after='{"title":"Heat","year":1995}')
    return Entry(place, record._replace(**changes).to_fields())


def told(page: Page, reach: Reach, turn: Turn, span: Span) -> dict[str, Any]:
    return page_value(page, [history_row(entry) for entry in page.entries], reach, turn, span)


def test_a_row_tells_a_record_of_any_operation() -> None:
    row = history_row(entry(C, "u", before='{"title":"Heet"}', changed=("title",), cause="movie"))
    assert (row.stream, row.id, row.op, row.at_ms, row.ts_ms) == (0, "12-3", "u", 12, 9)
    assert (row.text, row.diffs, row.cause) == ("Heat (1995)", (Diff("title", "Heet", "Heat"),), "movie")
    assert history_row(entry(C, "r")).text == "Heat (1995)"


def test_what_cannot_be_read_is_said_in_its_row() -> None:
    row = history_row(Entry(B, {"schema": "9", "view": "movies"}))
    assert row.unreadable is not None
    assert "schema" in row.unreadable
    assert (row.stream, row.id, row.view) == (1, "10-0", "movies")


def test_a_time_beyond_every_calendar_does_not_break_the_page() -> None:
    row = history_row(entry(Place(1 << 63, 0, 0), ts_ms=-(10**30)))
    assert (row.at_ms, row.ts_ms) == (8_640_000_000_000_000, -8_640_000_000_000_000)


def test_what_is_chosen_is_tested_by_view_and_key_before_the_filter() -> None:
    asked: list[str] = []

    def matches(fields: Any) -> bool:
        asked.append(fields["key"])
        return True

    wanted = Chosen.parse({"view": "movies", "key": "a"}).wanted(matches)
    rows = [{"view": "movies", "key": "a"}, {"view": "users", "key": "a"}, {"view": "movies", "key": "b"}, {}]
    assert [wanted(row) for row in rows] == [True, False, False, False]
    assert asked == ["a"]
    of_view = Chosen.parse({"view": "movies"}).wanted(matches)
    assert [of_view(row) for row in rows] == [True, False, True, False]
    assert Chosen.parse({}).wanted(matches) is matches


def test_a_range_of_moments_holds_its_first_and_not_its_last_millisecond() -> None:
    span = Chosen.parse({"fromMs": 10, "toMs": 12}).span
    assert [span.after is not None and span.before is not None and span.after < p < span.before for p in (A, B, C)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"filter": 5}, "filter: expected a text"),
        ({"filter": "x" * 2001}, "at most 2,000"),
        ({"key": "k"}, "without its view"),
        ({"view": "v", "key": ["k"]}, "key: expected"),
        ({"fromMs": "10"}, "fromMs: expected Unix milliseconds"),
        ({"toMs": -1}, "toMs: expected"),
        ({"toMs": True}, "toMs: expected"),
        ({"fromMs": 1e99}, "fromMs: expected"),
    ],
)
def test_a_choice_of_another_kind_is_refused(args: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Chosen.parse(args)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"count": 0}, "1 to"),
        ({"count": MOST_ROWS + 1}, "1 to"),
        ({"count": "9" * 1000}, "1 to"),
        ({"before": "0/1-0", "after": "0/1-0"}, "one place"),
        ({"before": "9/1-0"}, "the feed has 2"),
        ({"after": {}}, "after: expected"),
        ({"atMs": -5}, "atMs: expected"),
    ],
)
def test_a_page_of_another_kind_is_refused(args: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Turn.parse(args, streams=2)


def test_a_turn_stays_within_what_is_chosen() -> None:
    chosen = Span(A, C)
    assert Turn.parse({}, streams=2).span(chosen) == chosen
    assert Turn.parse({"before": "1/10-0"}, streams=2).span(chosen) == Span(A, B)
    assert Turn.parse({"after": "1/10-0"}, streams=2).span(chosen) == Span(B, C)
    assert Turn.parse({"before": "0/99-0"}, streams=2).span(chosen) == chosen
    assert Turn.parse({"atMs": 11}, streams=2) == Turn(MOST_ROWS, before=Place.moment(12))


def test_the_newest_page_goes_on_both_ways() -> None:
    turn = Turn(2)
    value = told(Page((entry(C), entry(B)), "full", B, 2), WHOLE, turn, Span(None, Place.moment(20)))
    assert [(row["stream"], row["id"]) for row in value["rows"]] == [(0, "12-3"), (1, "10-0")]
    assert (value["older"], value["newer"], value["missingBeforeMs"]) == ("1/10-0", "0/12-3", None)
    assert json.loads(json.dumps(value)) is not None


def test_a_newer_page_shows_its_rows_newest_first_too() -> None:
    turn = Turn(2, after=A)
    value = told(Page((entry(B), entry(C)), "end", C, 2), WHOLE, turn, Span(A, Place.moment(20)))
    assert [(row["stream"], row["id"]) for row in value["rows"]] == [(0, "12-3"), (1, "10-0")]
    assert (value["older"], value["newer"]) == ("1/10-0", "0/12-3")


def test_the_oldest_page_ends_there_and_says_what_was_trimmed_before() -> None:
    trimmed = Reach(3, A, C, B, 7)
    page = Page((entry(C), entry(B), entry(A)), "end", A, 3)
    value = told(page, trimmed, Turn(5), Span(None, Place.moment(20)))
    assert value["older"] is None
    assert value["missingBeforeMs"] == 10
    assert value["feed"] == {"entries": 3, "oldestMs": 10, "newestMs": 12, "gone": 7}
    within = told(page, trimmed, Turn(5), Span(B, Place.moment(20)))
    assert within["missingBeforeMs"] is None


def test_reading_on_from_a_place_that_was_trimmed_says_that_something_is_missing() -> None:
    trimmed = Reach(1, C, C, C, None)
    value = told(Page((entry(C),), "end", C, 1), trimmed, Turn(5, after=A), Span(A, None))
    assert value["missingBeforeMs"] == 12
    onward = told(Page((), "end", None, 0), trimmed, Turn(5, after=C), Span(C, None))
    assert (onward["missingBeforeMs"], onward["newer"], onward["older"]) == (None, "0/12-3", "0/12-3")


def test_a_page_whose_budget_was_used_up_goes_on_where_it_stopped() -> None:
    value = told(Page((), "budget", B, 500), WHOLE, Turn(5), Span(None, Place.moment(20)))
    assert (value["stopped"], value["looked"], value["atMs"], value["older"]) == ("budget", 500, 10, "1/10-0")


def test_an_empty_page_at_a_moment_can_be_left_for_newer_ones() -> None:
    value = told(Page((), "end", None, 0), WHOLE, Turn(5), Span(None, Place.moment(9)))
    assert (value["older"], value["newer"]) == (None, "9")
    assert Turn.parse({"after": value["newer"]}, streams=2).after == Place.moment(9)
