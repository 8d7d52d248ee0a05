"""The data that is written."""

from __future__ import annotations

from bson.objectid import ObjectId

from benchmarks.workload import QUICK, Sizes, comments
from dbwatch.people import Author

FILMS = [ObjectId() for _ in range(20)]
PEOPLE = [Author("A", "a@example.org"), Author("B", "b@example.org")]


def test_the_backlog_is_the_one_that_the_targets_are_for() -> None:
    assert Sizes() == (2_000, 1_000, 300_000, 20_000, 200)
    assert Sizes().documents == 303_000
    assert Sizes().changes == 323_200
    assert QUICK.changes < Sizes().changes / 4


def test_comments_are_the_same_for_the_same_seed_and_go_on_where_others_end() -> None:
    made = list(comments(count=50, movies=FILMS, people=PEOPLE))
    assert made == list(comments(count=50, movies=FILMS, people=PEOPLE))
    more = list(comments(count=50, movies=FILMS, people=PEOPLE, first=50))
    assert len({comment["_id"] for comment in [*made, *more]}) == 100


def test_every_film_has_about_as_many_comments() -> None:
    made = list(comments(count=3000, movies=FILMS, people=PEOPLE))
    counts = [sum(comment["movie_id"] == film for comment in made) for film in FILMS]
    assert min(counts) > 100
    assert max(counts) < 200
