"""What a look at a database suggests; without a server."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from bson.binary import Binary
from bson.objectid import ObjectId

from connectors.rows import at
from dbwatch.first_file import first_file
from dbwatch.guesses import Look, View, guess, masked, telling_fields
from flows.views import parse_views

Documents = Sequence[Mapping[str, Any]]


def oid(number: int) -> ObjectId:
    return ObjectId(f"{number:024x}")


def guessed(**collections: Documents | Look) -> dict[str, View]:
    """The views of these rows, which are all that there is."""
    looks = {name: c if isinstance(c, Look) else Look(c) for name, c in collections.items()}

    def found(collection: str, field: str, values: Sequence[Any]) -> int:
        return len({repr(at(d, field)) for d in looks[collection].documents} & {repr(v) for v in values})

    return {view.collection: view for view in guess(looks, found)}


def lookups(view: View) -> list[tuple[str, str, str, str]]:
    return [(lookup.name, lookup.collection, lookup.local, lookup.foreign) for lookup in view.lookups]


TEAMS = [{"_id": i, "name": f"team {i}"} for i in range(10)]


def test_an_object_id_is_followed_to_its_collection() -> None:
    films = [{"_id": oid(i), "title": f"film {i}"} for i in range(10)]
    views = guessed(movies=films, comments=[{"_id": i, "movie_id": oid(i), "text": "x"} for i in range(5)])
    assert lookups(views["comments"]) == [("movie", "movies", "movie_id", "_id")]
    assert views["comments"].lookups[0].fields == ("title",)
    assert views["movies"].lookups == ()


def test_of_two_collections_with_the_same_ids_the_namesake_is_taken() -> None:
    films = [{"_id": oid(i)} for i in range(10)]
    views = guessed(archive=films, movies=films, zoo=films, comments=[{"_id": 1, "movie_id": oid(3)}])
    assert lookups(views["comments"]) == [("movie", "movies", "movie_id", "_id")]


def test_a_unique_field_of_the_same_name_is_a_key() -> None:
    people = [{"_id": i, "email": f"{i}@x.org", "name": f"n{i}"} for i in range(9)]
    comments = [{"_id": i, "email": f"{i}@x.org"} for i in range(5)]
    assert lookups(guessed(users=Look(people, ("email",)), comments=comments)["comments"]) == [
        ("user", "users", "email", "email")
    ]
    assert guessed(users=people, comments=comments)["comments"].lookups == (), "not unique, so not a key"


def test_two_fields_may_refer_to_one_collection() -> None:
    games = [{"_id": f"g{i}", "home_team_id": i, "awayTeamId": i + 1, "year": i} for i in range(5)]
    assert lookups(guessed(teams=TEAMS, games=games)["games"]) == [
        ("home_team", "teams", "home_team_id", "_id"),
        ("awayTeam", "teams", "awayTeamId", "_id"),
    ]


def test_a_number_alone_refers_to_nothing() -> None:
    assert guessed(teams=TEAMS, games=[{"_id": "g", "year": 3, "rank": 4}])["games"].lookups == ()


def test_values_that_are_not_there_refer_to_nothing() -> None:
    games = [{"_id": f"g{i}", "team_id": 100 * i} for i in range(5)]
    assert guessed(teams=TEAMS, games=games)["games"].lookups == ()


def test_a_joined_row_is_never_called_as_a_field_that_is_there() -> None:
    users = [{"_id": Binary.from_uuid(UUID(int=i))} for i in range(5)]
    posts = [{"_id": 1, "author": Binary.from_uuid(UUID(int=3)), "user": "me"}]
    assert lookups(guessed(users=users, posts=posts)["posts"]) == [("author_user", "users", "author", "_id")]


def test_a_row_may_refer_to_its_own_collection() -> None:
    views = guessed(parts=[{"_id": oid(i), "parent_id": oid(i // 2)} for i in range(9)])
    assert lookups(views["parts"]) == [("parent", "parts", "parent_id", "_id")]


def test_what_is_masked_is_no_key() -> None:
    sessions = [{"_id": i, "token": f"t{i}"} for i in range(3)]
    views = guessed(sessions=Look(sessions, ("token",)), visits=[{"_id": i, "token": f"t{i}"} for i in range(3)])
    assert views["visits"].lookups == ()
    assert views["visits"].mask == ("token",)


@pytest.mark.parametrize(
    "name", ["password", "userPassword", "pwd_hash", "api_key", "apiKey", "secret", "sessionToken", "JWT", "cardNumber"]
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert masked([{"_id": 1, name: "x"}]) == (name,)


@pytest.mark.parametrize("name", ["passenger", "keyboard", "hashtag", "tokenize", "pinned", "number", "key", "author"])
def test_a_name_that_only_resembles_one_is_no_secret(name: str) -> None:
    assert masked([{"_id": 1, name: "x"}]) == ()


def test_a_secret_is_known_by_its_value_and_wherever_it_is() -> None:
    document = {"_id": 1, "code": "$2b$12$abcdefghijklmnopqrstuv", "login": {"pin": 1}, "devices": [{"token": "x"}]}
    assert masked([document]) == ("code", "login.pin", "devices.token")
    assert masked([{"credentials": {"token": "x"}}]) == ("credentials",)


def test_well_known_fields_tell_a_row() -> None:
    films = [
        {
            "_id": i,
            "plot": "x" * 200,
            "genres": ["a"],
            "type": "movie",
            "imdb": {"rating": i},
            "title": f"{i}",
            "year": i,
        }
        for i in range(9)
    ]
    assert telling_fields(Look(films), ()) == ("title", "year", "imdb.rating")
    assert telling_fields(Look([{"_id": i, "sku": i, "q": i, "z": {"y": 1}} for i in range(9)]), ("q",)) == ("sku",)


def test_the_file_is_one_that_the_job_takes() -> None:
    views = guess(
        {
            "movies": Look([{"_id": oid(1), "title": "a"}, {"_id": oid(2), "title": "b"}]),
            'odd "name".x': Look([{"_id": 1, "movie_id": oid(1), "pässword": "$2b$", "pass word": 1}]),
        },
        lambda _collection, _field, values: len(values),
    )
    text = first_file("shop", views, ["titles"])
    parsed = parse_views(tomllib.loads(text))
    odd = next(view for view in parsed.views if view.name == 'odd "name".x')
    assert [(lk.name, lk.collection, lk.fields) for lk in odd.lookups] == [("movie", "movies", ("title",))]
    assert parsed.masks['odd "name".x'] == ("pässword", "pass word")
    assert "time series have no changes to watch: titles" in text
