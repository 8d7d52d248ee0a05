"""Views from `dbwatch.toml`: what is taken, what is refused and with which words."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path
from typing import Any

import pytest

from connectors.changes import Shape
from connectors.errors import ConfigError
from flows.views import Lookup, View, Views, parse_views

SHIPPED = Path(__file__).parents[2] / "dbwatch.toml"
MOVIE = {"collection": "movies", "local": "movie_id", "fields": ["title"]}


def views(**tables: Any) -> Views:
    return parse_views({"views": tables})


def looking_up(**lookup: Any) -> dict[str, Any]:
    return {"lookups": {"movie": {**MOVIE, **lookup}}}


def test_the_shipped_file_watches_the_sample_database() -> None:
    shipped = parse_views(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    assert [view.name for view in shipped.views] == ["movies", "users", "comments"]
    assert shipped.masks["users"] == ("password",)
    assert shipped.looked_up == ("movies", "users")
    assert shipped.collections == ("movies", "users", "comments")


def test_a_view_is_called_as_its_collection_and_a_lookup_finds_by_id_unless_they_say_otherwise() -> None:
    parsed = views(films={"collection": "movies"}, comments=looking_up(), movies={})
    assert parsed.views == (
        View("films", "movies"),
        View("comments", "comments", None, (Lookup("movie", "movies", "movie_id", "_id", ("title",)),)),
        View("movies", "movies"),
    )


def test_only_what_some_view_or_lookup_shows_is_read() -> None:
    parsed = views(movies={"fields": ["year"]}, comments={"fields": ["text"], **looking_up(foreign="imdb.id")})
    assert parsed.shapes == {
        "movies": Shape((), ("year", "title"), ("imdb.id",), ("title", "imdb.id")),
        "comments": Shape((), ("text",), ("movie_id",), ()),
    }


def test_one_who_shows_all_fields_makes_all_be_read() -> None:
    parsed = views(movies={"fields": ["year"]}, comments={"lookups": {"movie": {"collection": "movies", "local": "m"}}})
    assert parsed.shapes["movies"].fields is None
    assert parsed.shapes["movies"].shown is None


def test_a_mask_said_anywhere_holds_everywhere() -> None:
    parsed = views(
        accounts={"collection": "users", "mask": ["password"]},
        users={"mask": ["token"]},
        comments={"lookups": {"user": {"collection": "users", "local": "email", "foreign": "email", "mask": ["pin"]}}},
    )
    assert parsed.shapes["users"].mask == ("password", "token", "pin")


def test_looked_up_collections_are_read_first_each_after_those_it_refers_to() -> None:
    parsed = views(
        comments=looking_up(),
        movies={"lookups": {"studio": {"collection": "studios", "local": "studio_id"}}},
        logs={},
    )
    assert parsed.collections == ("studios", "movies", "comments", "logs")


def test_rows_that_refer_to_each_other_or_to_themselves_are_in_some_order() -> None:
    each_other = views(
        a={"lookups": {"b": {"collection": "b", "local": "x"}}}, b={"lookups": {"a": {"collection": "a", "local": "y"}}}
    )
    assert sorted(each_other.collections) == ["a", "b"]
    itself = views(staff={"lookups": {"boss": {"collection": "staff", "local": "boss_id"}}})
    assert itself.collections == ("staff",)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "the table `views` is missing"),
        ({"views": {}}, r"no \[views.NAME\] table was found"),
        ({"views": 3}, "`views` must be a table, found a number"),
        ({"view": {}}, r"unknown key `view` \(did you mean `views`\?\); valid keys are `views`"),
        ({"views": {"m": 3}}, r"\[views\] `m` must be a table, found a number"),
        ({"views": {"m": {"masks": []}}}, r"\[views.m\] unknown key `masks` \(did you mean `mask`\?\); valid keys are"),
        ({"views": {"m": {"lookups": {"x": {"colection": "y"}}}}}, r"\[views.m.lookups.x\] unknown key `colection`"),
        ({"views": {"m": {"lookups": {"x": {"local": "y"}}}}}, r"\[views.m.lookups.x\] lacks `collection`"),
        ({"views": {"m": {"lookups": {"x": {"collection": "y"}}}}}, r"\[views.m.lookups.x\] lacks `local`"),
        ({"views": {"m": {"mask": "password"}}}, "expected a list of field paths .*, found text"),
        ({"views": {"m": {"mask": [1]}}}, "expected a list of field paths"),
        ({"views": {"m": {"fields": []}}}, "expected a list of field paths"),
        ({"views": {"m": {"fields": ["a..b"]}}}, "expected a list of field paths"),
        ({"views": {"m": {"collection": ""}}}, r"\[views.m\] collection: expected a name as text"),
        ({"views": {"m": {"collection": True}}}, "found a truth value"),
        ({"views": {"m": {"mask": ["_id"]}}}, "`_id` is the record's key and cannot be masked"),
        ({"views": {"m": {"mask": ["a"], "fields": ["a.b"]}}}, "`a.b` is masked"),
        ({"views": {"m": {"lookups": {"row": MOVIE}}}}, "a lookup cannot be called 'row'"),
        ({"views": {"m": {"lookups": {"a.b": MOVIE}}}}, "a lookup cannot be called 'a.b'"),
        ({"views": {"m": {"lookups": {'say "hi"': MOVIE}}}}, "a lookup cannot be called"),
        ({"views": {"m": {"lookups": {"": MOVIE}}}}, "a lookup cannot be called ''"),
    ],
)
def test_a_wrong_file_is_one_error_that_names_file_key_and_choices(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^my.toml: .*{said}") as caught:
        parse_views(config, file="my.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mask", "lookup", "key"),
    [
        ("movies", {"fields": ["secret.x"]}, "fields"),
        ("movies", {"foreign": "secret"}, "foreign"),
        ("movies", {"foreign": "secret.x"}, "foreign"),
        ("comments", {"local": "secret"}, "local"),
    ],
)
def test_a_masked_field_cannot_be_looked_up_by_or_shown(mask: str, lookup: dict[str, Any], key: str) -> None:
    tables: dict[str, Any] = {"movies": {}, "comments": looking_up(**lookup)}
    tables[mask]["mask"] = ["secret"]
    with pytest.raises(ConfigError, match=rf"\[views.comments.lookups.movie\] {key}: `secret"):
        views(**tables)


def test_what_is_looked_up_by_must_not_hold_a_masked_field_for_it_stands_in_the_versions() -> None:
    with pytest.raises(ConfigError, match="local: `address`"):
        views(comments={"mask": ["address.street"], **looking_up(local="address")})
    views(movies={"mask": ["imdb.votes"]}, comments=looking_up(fields=["imdb"]))  # shown without it


def test_views_travel_to_other_processes_as_they_are() -> None:
    parsed = views(movies={}, comments=looking_up())
    assert pickle.loads(pickle.dumps(parsed)) == parsed  # noqa: S301  # our own bytes
