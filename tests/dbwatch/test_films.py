"""Real films in the shape of `sample_mflix.movies`."""

from __future__ import annotations

from datetime import UTC, datetime

from dbwatch.films import films

FEW = list(films(count=400, seed=1))


def test_there_are_as_many_films_as_asked_for_the_most_reviewed_first() -> None:
    assert len(FEW) == 400
    reviews = [film["tomatoes"]["critic"]["numReviews"] for film in FEW]
    assert reviews == sorted(reviews, reverse=True)


def test_every_film_of_the_source_is_there_under_a_key_of_its_own() -> None:
    keys = {film["_id"] for film in films(count=100_000, seed=1)}
    assert len(keys) == 17_472


def test_a_known_film_has_the_fields_and_types_of_the_original() -> None:
    film = next(film for film in films(count=3000, seed=1) if film["title"] == "The Matrix" and film["year"] == 1999)
    assert film["runtime"] == 136
    assert film["released"] == datetime(1999, 3, 31, tzinfo=UTC)
    assert film["directors"] == ["Lana Wachowski", "Lilly Wachowski"]
    assert "Keanu Reeves" in film["cast"]
    assert "Sci-Fi" in film["genres"]
    assert film["languages"] == ["English"]
    assert film["countries"] == ["Australia", "United States"]
    assert film["imdb"]["id"] == 133093
    assert film["tomatoes"]["critic"] == {"rating": 7.8, "numReviews": 209, "meter": 83}
    assert film["awards"]["wins"] == 3
    assert film["lastupdated"].startswith("20")
    assert set(film) >= {"writers", "type", "num_mflix_comments", "rated"}


def test_made_up_ratings_are_plausible() -> None:
    for film in FEW:
        assert 1.0 <= film["imdb"]["rating"] <= 9.5
        assert film["imdb"]["votes"] > 0
        assert 0 <= film["tomatoes"]["viewer"]["rating"] <= 5


def test_the_same_seed_makes_the_same_films() -> None:
    assert list(films(count=50, seed=1)) == FEW[:50]
    assert next(films(count=1, seed=2))["_id"] != FEW[0]["_id"]
