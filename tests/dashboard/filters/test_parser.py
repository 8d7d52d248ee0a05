"""Where a line does not parse, and what is said then."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from connectors.errors import ConfigError
from dashboard.filters import FilterError, parse
from dashboard.filters.parser import DEEPEST, LONGEST


@pytest.mark.parametrize(
    ("text", "at", "expected", "found"),
    [
        ("year >", 6, "a value after `>`", "the end"),
        ("year > > 3", 7, "a value after `>`, in quotes when it is a sign", "`>`"),
        ("year > )", 7, "a value after `>`", "`)`"),
        ("(a or b", 7, "`)` for the `(` of column 1", "the end"),
        ("a) b", 1, "another condition or the end", "`)`"),
        ("veiw:movies", 0, "`view:`, `op:`, `key:`, `cause:`, `changed:`", "`veiw:movies`"),
        ("op:w", 3, "created, updated, deleted or read (c, u, d, r) right after `op:`", "`w`"),
        ("view: movies", 5, "the name of a view right after `view:`", "a space"),
        ('say "hi', 7, "the quote that closes the text of column 5", "the end"),
        ("- a", 1, "right after `-`", "a space"),
        ("a or", 4, "a word", "the end"),
        ("or b", 0, "a word", "`or`"),
        ("a and and b", 6, "a word", "`and`"),
        ("= 5", 0, "a word", "`=`"),
        ("x > null", 4, "a number, a time or a text after `>`", "`null`"),
        ('x ~ ""', 4, "a text to look for after `~`", '`""`'),
        ('""', 0, "a text to search for between the quotes", '`""`'),
        ('"" = 1', 0, "the path of a field between the quotes", '`""`'),
        (r'"a\q"', 2, r"\n \r \t", r'`\q"`'),
        (r'"\ud800"', 1, r"\n \r \t", r'`\ud800"`'),
        (f"{'a.' * 32}a = 1", 0, "a path of at most 32 steps", "33"),
        (f"changed:{'a.' * 32}a", 8, "a path of at most 32 steps", "33"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text: str, at: int, expected: str, found: str) -> None:
    with pytest.raises(FilterError) as error:
        parse(text)
    assert (error.value.at, error.value.found) == (at, found)
    assert expected in error.value.expected
    assert str(error.value) == f"filter, column {at + 1}: expected {error.value.expected}, found {found}"
    assert isinstance(error.value, ConfigError)


@pytest.mark.parametrize("text", ["(" * 1000, "-" * 1999 + "a", "not " * 400 + "a", "a or (b " * 200, "-(" * 900])
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match=f"at most {DEEPEST} levels of nesting"):
        parse(text)


def test_what_is_too_long_is_refused() -> None:
    assert parse("a" * LONGEST)
    with pytest.raises(FilterError, match="at most 2,000 characters, found 1,000,000"):
        parse("a" * 1_000_000)
    with pytest.raises(FilterError, match="once it is written out"):
        parse("a>1 " * 450)


@pytest.mark.parametrize(
    "text",
    [
        "a " * 999,
        "a=1 or " * 280 + "a",
        '"' * 1999,
        "\\" * 2000,
        "a.b" * 10 + " = " + "9" * 1900,
        "!" * 2000,
        "é" * 2000,
    ],
)
def test_no_line_takes_long(text: str) -> None:
    begin = time.perf_counter()
    with suppress(FilterError):
        str(parse(text))
    assert time.perf_counter() - begin < 1
