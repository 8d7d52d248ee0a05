"""Made-up users and comments."""

from __future__ import annotations

from collections import Counter

import bcrypt

from dbwatch.people import authors, comments, users
from dbwatch.sample_ids import object_id

MOVIES = [object_id("movies", number, seed=1) for number in range(200)]
PEOPLE = list(authors(count=50, seed=1))


def test_users_have_a_name_an_address_of_their_own_and_a_bcrypt_password() -> None:
    made = list(users(count=185, seed=1))
    assert len({user["_id"] for user in made}) == len({user["email"] for user in made}) == 185
    for user in made:
        assert set(user) == {"_id", "name", "email", "password"}
        assert user["password"].startswith("$2b$04$")
        assert len(user["password"]) == 60
    assert not bcrypt.checkpw(b"password", made[0]["password"].encode())


def test_users_are_the_authors_of_the_comments() -> None:
    made = {(user["name"], user["email"]) for user in users(count=50, seed=1)}
    said = {
        (comment["name"], comment["email"]) for comment in comments(count=500, seed=1, movies=MOVIES, people=PEOPLE)
    }
    assert said <= made


def test_comments_have_the_fields_of_the_original_and_refer_to_films() -> None:
    made = list(comments(count=500, seed=1, movies=MOVIES, people=PEOPLE))
    assert len({comment["_id"] for comment in made}) == 500
    for comment in made:
        assert set(comment) == {"_id", "name", "email", "movie_id", "text", "date"}
        assert comment["movie_id"] in MOVIES
        assert comment["date"].microsecond == 0


def test_some_films_are_talked_of_far_more_than_others() -> None:
    counts = Counter(c["movie_id"] for c in comments(count=5000, seed=1, movies=MOVIES, people=PEOPLE))
    assert counts[MOVIES[0]] > 4 * counts[MOVIES[100]] > 0


def test_the_same_seed_makes_the_same_people_and_comments() -> None:
    assert list(users(count=20, seed=3)) == list(users(count=20, seed=3))
    twice = [list(comments(count=20, seed=3, movies=MOVIES, people=PEOPLE)) for _ in range(2)]
    assert twice[0] == twice[1]
    assert PEOPLE[:10] == list(authors(count=10, seed=1))


def test_nobody_comments_on_nothing() -> None:
    assert list(comments(count=5, seed=1, movies=[], people=PEOPLE)) == []
    assert list(comments(count=5, seed=1, movies=MOVIES, people=[])) == []
