"""Filters that are put together by clicks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.filters import FilterError, parse, parts_of, turned, with_field, with_shown, without
from tests.dashboard.filters.strategies import filters, names, plain, rows


@pytest.mark.parametrize(
    ("before", "path", "value", "negate", "after"),
    [
        ("", "year", 1999, False, "year = 1999"),
        ("matrix", "imdb.rating", 8.7, False, "matrix imdb.rating = 8.7"),
        ("a or b", "title", "The Matrix", True, '(a or b) title != "The Matrix"'),
        ("", "price", "12.50", False, 'price = "12.50"'),
        ("", "seen", True, False, "seen = true"),
        ("", "user", None, True, "user != null"),
        ("", "first name", "Ann", False, '"first name" = Ann'),
        ("", "at", "2026-11-21T20:00:00Z", False, 'at = "2026-11-21T20:00:00Z"'),
        ("year = 1999", "year", 1999, False, "year = 1999"),
        ("x year != 1999", "year", 1999, False, "x year = 1999"),
        ("view:movies", ":view", "movies", True, "-view:movies"),
        ("", ":op", "u", False, "op:updated"),
        ("", ":key", '{"$numberInt": "5"}', False, 'key:"{\\"$numberInt\\": \\"5\\"}"'),
        ("", ":cause", "movie", False, "cause:movie"),
        ("", ":cause", None, False, "cause:none"),
        ("", ":text", "neo", True, "-neo"),
        ("", ":changed", "imdb.rating", False, "changed:imdb.rating"),
    ],
)
def test_a_click_on_a_value_adds_it(before: str, path: str, value: Any, negate: bool, after: str) -> None:
    assert with_field(before, path, value, negate=negate) == after


@pytest.mark.parametrize(
    ("shown", "negate", "after"),
    [
        ("1999", False, "year = 1999"),
        ("The Matrix", True, 'year != "The Matrix"'),
        ("null", False, "year = null"),
        ("(unset)", False, "-year exists"),
        ("(unset)", True, "year exists"),
        ("It was a dark and…", False, 'year ~ "It was a dark and"'),
        ("…", False, "year = …"),
    ],
)
def test_a_click_on_a_value_of_which_only_its_text_is_known_adds_what_it_looks_like(
    shown: str, negate: bool, after: str
) -> None:
    assert with_shown("", "year", shown, negate=negate) == after


@pytest.mark.parametrize(
    ("before", "path", "value"),
    [
        ("(", "a", 1),
        ("", "a", [1]),
        ("", "a", {"b": 1}),
        ("", "", 1),
        ("", "a." * 40, 1),
        ("", ":op", "x"),
        ("", ":view", ""),
        ("", ":nothing", "x"),
        ("", "a", "x" * 3000),
    ],
)
def test_what_cannot_be_a_condition_is_refused(before: str, path: str, value: Any) -> None:
    with pytest.raises(FilterError):
        with_field(before, path, value)


@given(st.dictionaries(names, plain | st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_the_row_whose_value_was_clicked_is_let_through(row: dict[str, Any]) -> None:
    fields = {"view": "v", "op": "c", "key": "k", "after": orjson.dumps(row).decode()}
    path, value = next(iter(orjson.loads(fields["after"]).items()))
    assert parse(with_field("", path, value)).matches_fields(fields)
    assert not parse(with_field("", path, value, negate=True)).matches_fields(fields)


def test_parts_are_told_by_kind() -> None:
    text = 'neo view:movies -op:u key:5 cause:none changed:a year > 5 -x exists (a or b) -(c d) "two words"'
    assert [tuple(part) for part in parts_of(text)] == [
        ("neo", "text"),
        ("view:movies", "view"),
        ("-op:updated", "op"),
        ("key:5", "key"),
        ("cause:none", "cause"),
        ("changed:a", "changed"),
        ("year > 5", "field"),
        ("-x exists", "field"),
        ("a or b", "group"),
        ("-(c d)", "group"),
        ('"two words"', "text"),
    ]
    assert parts_of("a or b") == [("a or b", "group")]
    assert parts_of("") == []


@given(filters(), st.integers(-2, 8))
def test_a_part_is_taken_away_and_the_others_stay(asked: Any, index: int) -> None:
    text = str(asked)
    before = parts_of(text)
    after = parts_of(without(text, index))
    assert after == [part for place, part in enumerate(before) if place != index]


def test_a_part_is_turned_round_and_back() -> None:
    text = 'neo (a or b) year >= 5 -view:movies title ~ "x y"'
    expected = ["-neo", "-(a or b)", "-year >= 5", "view:movies", 'title !~ "x y"']
    for index, part in enumerate(expected):
        once = turned(text, index)
        assert parts_of(once)[index].text == part
        assert turned(once, index) == text
    assert turned(text, 9) == text


@given(filters(), rows())
def test_what_a_click_adds_narrows(asked: Any, row: dict[str, Any]) -> None:
    fields = {"view": "v", "op": "c", "key": "k", "after": orjson.dumps(row).decode()}
    narrower = parse(with_field(str(asked), "brand new field", 1))
    assert not narrower.matches_fields(fields)
