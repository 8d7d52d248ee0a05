"""What a filter lets through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.records import LookupVersion, Record, Versions
from dashboard.filters import Filter, parse
from dashboard.filters import subject as subject_module
from dashboard.filters.conditions import Compare
from tests.dashboard.filters import naive
from tests.dashboard.filters.strategies import aimed, comparisons

ROW = {
    "_id": "573a1390f29313caabcd42e8",
    "title": "The Matrix",
    "year": 1999,
    "imdb": {"rating": 8.7, "votes": 1_080_566},
    "genres": ["Action", "Sci-Fi"],
    "cast": [{"name": "Keanu Reeves", "role": "Neo"}, {"name": "Carrie-Anne Moss", "role": None}],
    "released": "1999-03-31T00:00:00Z",
    "lastupdated": "2026-11-21T20:00:00.181000Z",
    "price": "12.50",
    "seen": True,
    "poster": None,
    "empty": [],
    "a.b": {"c": 1},
    "user": None,
}


def fields_of(row: object = ROW, **others: str) -> dict[str, str]:
    return {"view": "movies", "op": "u", "key": "573a1390f29313caabcd42e8", "after": json.dumps(row)} | others


@pytest.mark.parametrize(
    "text",
    [
        "", "matrix", '"the matrix"', "MATRIX sci-fi", "8.7", "keanu", "573a1390", "true", "1080566",
        "view:movies", "op:u", "op:updated -op:created", "key:573a1390f29313caabcd42e8",
        "cause:none", "-cause:*", "-cause:movie",
        "imdb.rating > 8", "imdb.rating >= 8.7", "imdb.rating < 9", "year = 1999", "year = 1999.0", "year != 2000",
        'title = "The Matrix"', "title ~ matrix", "title !~ rings", 'title > "The M"', "year ~ 99",
        "genres = Drama or genres = Action", "genres != Drama", "genres ~ sci", "genres.1 = Sci-Fi",
        'cast.name = "Keanu Reeves"', "cast.role = Neo", "cast.0.role = Neo", "cast.name ~ moss",
        "price > 12", "price = 12.5", 'price = "12.50"', "seen = true", "seen != false",
        "released = 1999-03-31", "released < 1999-04-01", "released <= 1999-03-31", "released >= 1999-03-31",
        "released = 1999-03-31T02:00:00+02:00", "released = 1999-03-31T00:00Z", 'released >= "1999-03"',
        "lastupdated > 2026-11-21T20:00:00.180Z", "lastupdated = 2026-11-21", "lastupdated = 2026-11-21T20:00:00Z",
        'lastupdated = "2026-11-21T20:00:00.181000Z"',
        "poster exists", "poster = null", "nothing = null", "-nothing exists", "nothing not exists", "empty exists",
        "title != null", "user.name = null", "empty != null", "cast.role = null", "nothing != x", "nothing !~ x",
        "a.b.c = 1", "a.b exists", "imdb exists",
    ],
)  # fmt: skip
def test_a_row_is_let_through(text: str) -> None:
    assert parse(text).matches_fields(fields_of())


@pytest.mark.parametrize(
    "text",
    [
        "matrices", "imdb", "null", "view:comments", "op:c", "key:573a", "cause:*", "cause:movie", "changed:title",
        "imdb.rating > 8.7", "imdb.rating = 8.70001", "year = 2000", 'year = "1999"', "title = matrix", "title ~ rings",
        "title > 5", "title < 5", "title = true", "title = null", "year > 1998-01-01", "year < abc", "year > abc",
        "genres != Action", "genres !~ sci", "genres.0 = Sci-Fi", "genres.2 exists", "genres.x exists", "-matrix",
        "seen = 1", 'seen = "true"', "poster = false", "poster < 1", "poster ~ null", "poster != null", "imdb ~ rating",
        "released > 1999-03-31", "released < 1999-03-31", 'released = "1999-03-31"', "title = 1999-03-31",
        "nothing exists", "nothing = x", "nothing < 1", "nothing > 1", "user.name != null", "user.name exists",
        "cast.role != null", "empty = 1", "imdb = 8.7", "a = 1", "title.x = 1", "view = movies",
    ],
)  # fmt: skip
def test_a_row_is_kept_back(text: str) -> None:
    assert not parse(text).matches_fields(fields_of())


def test_a_delete_is_looked_at_as_it_was() -> None:
    deleted = {"view": "movies", "op": "d", "key": "k", "before": json.dumps(ROW)}
    assert parse("op:deleted title ~ matrix").matches_fields(deleted)
    changed = fields_of({"title": "New"}, before=json.dumps({"title": "Old"}))
    assert parse("title = New -old").matches_fields(changed)


def test_a_cause_and_what_was_changed_are_conditions() -> None:
    caused = fields_of(cause="movie", changed='["movie.imdb.rating", "year"]')
    for text in ("cause:movie", "cause:*", "-cause:user", "changed:movie", "changed:movie.imdb.rating", "changed:year"):
        assert parse(text).matches_fields(caused), text
    for text in ("cause:none", "cause:user", "changed:mov", "changed:movie.imdb.rating.x", "changed:imdb"):
        assert not parse(text).matches_fields(caused), text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("key:5", '{"$numberInt": "5"}'),
        ("key:5", '{"$numberLong": "5"}'),
        ("key:5", '{"$numberDouble": "5.0"}'),
        ("key:5", '"5"'),
        ('key:"new york"', '"new york"'),
        ("key:é", '"\\u00e9"'),
        ('key:"{\\"$numberInt\\": \\"5\\"}"', '{"$numberInt": "5"}'),
    ],
)
def test_a_key_is_named_by_its_text_or_by_what_it_spells(text: str, key: str) -> None:
    assert parse(text).matches_fields(fields_of(key=key))
    assert not parse(text).matches_fields(fields_of(key='{"$numberInt": "6"}'))


@settings(max_examples=250)
@given(aimed())
def test_every_shortcut_gives_what_the_plain_evaluation_gives(pair: tuple[Filter, Mapping[str, str]]) -> None:
    asked, fields = pair
    expected = naive.holds(asked.condition, fields)
    assert asked.matches_fields(fields) is expected
    assert asked.matches(_record(fields)) is expected


@settings(max_examples=200)
@given(comparisons(), st.sampled_from(["plain", "in an array", "in objects of an array"]))
def test_a_value_is_compared_as_the_plain_evaluation_compares_it(pair: tuple[Compare, Any], where: str) -> None:
    condition, value = pair
    row: dict[str, Any] = {"a": value}
    if where == "in an array":
        row = {"a": [{"x": 1}, value, [None]]}
    elif where == "in objects of an array":
        condition = replace(condition, path="list.a")
        row = {"list": [{}, {"a": value}, 5]}
    fields = fields_of() | {"after": orjson.dumps(row).decode()}
    assert Filter(condition).matches_fields(fields) is naive.holds(condition, fields)


class Counter:
    """Counts how often a row is decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._loads = subject_module.loads
        monkeypatch.setattr(subject_module, "loads", self)

    def __call__(self, text: str) -> Any:
        self.count += 1
        return self._loads(text)


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("view:movies op:u cause:none", 0),
        ("year > 1990 view:users", 0),
        ("view:movies or year > 1990", 0),
        ("nothing.there > 5", 0),
        ("title = Inception", 0),
        ("unheard-of", 0),
        ("year > 1990 imdb.rating > 5 matrix genres = Action", 1),
    ],
)
def test_a_row_is_decoded_once_and_only_when_that_decides(
    text: str, decoded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(monkeypatch)
    asked = parse(text)
    asked.matches_fields(fields_of())
    assert counter.count == decoded
    asked.matches(_record(fields_of()))
    assert counter.count == 2 * decoded


@pytest.mark.parametrize("row", ["", "not json", "[1]", "5", "null", '{"a":'])
def test_a_row_that_cannot_be_read_has_no_fields(row: str) -> None:
    fields = fields_of() | {"after": row, "changed": "not json"}
    assert not parse("a exists or matrix or a = 5 or changed:a").matches_fields(fields)
    assert parse("view:movies").matches_fields(fields)
    assert not parse("view:movies").matches_fields({})


def test_no_row_is_too_deep_or_too_large() -> None:
    deep = '{"a":' * 900 + "1" + "}" * 900
    assert parse("1 -zzz").matches_fields(fields_of() | {"after": deep})
    wide = {f"f{n}": {"x": "y" * 2000} for n in range(500)}
    assert parse("f499.x ~ yyy").matches_fields(fields_of(wide))
    path = ".".join("a" * 32)
    assert parse(f"{path} exists").matches_fields(fields_of() | {"after": deep})


def _record(fields: Mapping[str, str]) -> Record:
    get = fields.get
    versions = Versions("p", {"movie": LookupVersion(1, "f", "p")})
    changed = get("changed")
    return Record(
        fields["view"],
        fields["op"],  # type: ignore[arg-type]
        fields["key"],
        1,
        "p",
        versions,
        get("before"),
        get("after"),
        None if changed is None else tuple(json.loads(changed)),
        get("cause"),
    )
