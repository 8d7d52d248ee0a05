"""The simulator's load."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from connectors.errors import ConfigError
from dbwatch.load import DEFAULT_MIX, Mix, Rows, load, parse_mix
from dbwatch.people import Author
from dbwatch.sample_ids import object_id
from dbwatch.writes import Write
from tests.dbwatch.memory import Keys, Tables, noon


def rows(*, movies: int = 40, users: int = 15, comments: int = 60) -> tuple[Rows, Tables]:
    tables = Tables()
    for name, count in (("movies", movies), ("users", users), ("comments", comments)):
        for number in range(count):
            key = object_id(name, number, seed=1)
            tables.rows[name][key] = {"_id": key, "name": f"Name {number}", "email": f"{number}@example.org"}
    people = {key: Author(user["name"], user["email"]) for key, user in tables.rows["users"].items()}
    return Rows(movies=tables.rows["movies"], users=people.items(), comments=tables.rows["comments"]), tables


def made(known: Rows, count: int, *, mix: str = DEFAULT_MIX, seed: int = 1) -> list[Write]:
    return list(islice(load(known, mix=parse_mix(mix), seed=seed, new_key=Keys(), now=noon), count))


def test_every_write_hits_a_row_and_addresses_stay_unique() -> None:
    known, tables = rows()
    tables.apply(made(known, 5000))


def test_the_mix_is_kept() -> None:
    known, _tables = rows(comments=5000)
    counts = Counter(write.kind for write in made(known, 4000, mix="insert=1,update=8,delete=1"))
    assert counts["insert"] == pytest.approx(400, rel=0.2)
    assert counts["update"] == pytest.approx(3200, rel=0.05)


def test_a_kind_that_is_not_wanted_does_not_come() -> None:
    known, _tables = rows()
    assert {write.kind for write in made(known, 500, mix="update=1")} == {"update"}


def test_it_begins_with_what_is_missing() -> None:
    known, tables = rows(movies=0, users=0, comments=0)
    tables.apply(made(known, 300))
    assert tables.rows["movies"]
    assert tables.rows["users"]
    assert tables.rows["comments"]


def test_deletes_never_take_the_last_films_and_users() -> None:
    known, tables = rows(movies=12, users=12)
    tables.apply(made(known, 3000, mix="delete=1"))
    assert len(tables.rows["movies"]) >= 10
    assert len(tables.rows["users"]) >= 10


def test_the_same_seed_makes_the_same_writes() -> None:
    assert made(rows()[0], 300) == made(rows()[0], 300)
    assert made(rows()[0], 300) != made(rows()[0], 300, seed=2)


def test_a_mix_is_read() -> None:
    assert parse_mix("insert=1, delete=0.5") == Mix(1, 0, 0.5)


@pytest.mark.parametrize("text", ["", "insert", "insert=x", "upsert=1", "insert=-1,update=2", "insert=0", "insert=nan"])
def test_a_wrong_mix_is_one_clear_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--mix: expected .*found"):
        parse_mix(text)
