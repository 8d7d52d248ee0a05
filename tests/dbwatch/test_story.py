"""The simulator's story."""

from __future__ import annotations

from itertools import islice

from bson.objectid import ObjectId

from dbwatch.story import RealFilm, Step, story
from tests.dbwatch.memory import Keys, Tables, noon

FILMS = [RealFilm(ObjectId(f"{number:024x}"), f"Film {number}") for number in range(5)]
LONG = 400


def told(count: int = LONG, *, seed: int = 1, films: list[RealFilm] = FILMS) -> list[Step]:
    return list(islice(story(seed=seed, films=films, new_key=Keys(), now=noon), count))


def test_every_write_hits_a_row_and_addresses_stay_unique() -> None:
    tables = Tables()
    for film in FILMS:
        tables.rows["movies"][film.key] = {"_id": film.key, "title": film.title, "imdb": {"votes": 1}}
    for step in told():
        tables.apply(step.writes)


def test_it_tells_every_kind_of_change_within_a_scene() -> None:
    seen = {(write.kind, write.collection) for step in told(30) for write in step.writes}
    assert seen == {(kind, name) for kind in ("insert", "update", "delete") for name in ("movies", "users", "comments")}


def test_it_is_about_the_three_films() -> None:
    lines = "\n".join(step.line for step in told(90))
    for title in ("The Matrix", "Good Will Hunting", "Once Upon a Time in Hollywood"):
        assert f"is now called {title}" in lines


def test_it_goes_on_and_varies() -> None:
    scenes = "\n".join(step.line for step in told(LONG))
    assert "(Restored)" in scenes
    assert "(Director's Cut)" in scenes


def test_it_leaves_few_rows_behind() -> None:
    tables = Tables()
    for step in told(films=[]):
        tables.apply(step.writes)
    scenes = LONG / 20
    assert sum(len(rows) for rows in tables.rows.values()) < scenes + 10


def test_the_same_seed_tells_the_same_and_another_one_another() -> None:
    assert told() == told()
    assert told() != told(seed=2)


def test_a_person_has_time_to_watch() -> None:
    assert all(0.5 <= step.pause_s <= 3 for step in told())


def test_it_can_do_without_real_films() -> None:
    assert len(told(films=[])) == LONG
