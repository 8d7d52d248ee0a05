"""A filter, written down and read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.filters import Filter, FilterError, parse
from dashboard.filters.writing import quoted
from tests.dashboard.filters.strategies import filters


@given(filters())
def test_what_is_written_is_read_as_an_equal_filter(asked: Filter) -> None:
    text = str(asked)
    assert parse(text) == asked
    assert str(parse(text)) == text


PIECES = [*'ab :"-()=<>~!.5“', " or ", " and ", " not ", " exists ", "op:u", "a = 1"]


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_line_is_a_filter_that_can_be_written_or_says_where_it_is_none(text: str) -> None:
    try:
        asked = parse(text)
    except FilterError as error:
        failed = error
    else:
        assert parse(str(asked)) == asked
        return
    assert 0 <= failed.at <= len(text)
    assert failed.expected
    assert failed.found


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("", ""),
        ("  matrix   NOT view:users ", "matrix -view:users"),
        ("op:u AND (cause:MOVIE or cause:*)", "op:updated (cause:MOVIE or cause:*)"),
        ("a=1 b!=2 c~x d !~ y", "a = 1 b != 2 c ~ x d !~ y"),
        ("-(a = 1) -a ~ x not a exists", "a != 1 a !~ x -a exists"),
        ("(a (b or (c or d)))", "a (b or c or d)"),
        ("a b or c d", "a b or c d"),
        ("“Élan vital” op:create", '"Élan vital" op:created'),
        ("title == 5 or title = '5'", "title = 5 or title = '5'"),
        ('a = "5" b = "true" c = "null" e = ""', 'a = "5" b = "true" c = "null" e = ""'),
        ('d = "2026-01-01" or d = 2026-01-01', 'd = "2026-01-01" or d = 2026-01-01'),
        ('a = "x" "plain"', "a = x plain"),
        ('"first name" = x "or" "-x" "exists"', '"first name" = x "or" "-x" "exists"'),
        ("key:5 -cause:*", "key:5 cause:none"),
        ('cause:"none" cause:"*"', 'cause:"none" cause:"*"'),
        ("wow! a!=1 b !~ c", "wow! a != 1 b !~ c"),
    ],
)  # fmt: skip
def test_it_has_one_form(typed: str, written: str) -> None:
    assert str(parse(typed)) == written


def test_a_text_that_could_deceive_the_eye_is_written_as_codes() -> None:
    assert quoted('\u202eabc\n"\x00') == '"\\u202eabc\\n\\"\\u0000"'
    assert str(parse('"👩\u200d🚀"')) == '"👩\u200d🚀"'
