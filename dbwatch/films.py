"""Real films in the shape of `sample_mflix.movies`, from the database that `bokeh-sampledata` ships (Wikidata, CC0).

Wikidata has reviews by critics but no ratings by viewers. What stands in `imdb.rating`, `imdb.votes` and
`tomatoes.viewer` is made from the critics' figures and a seed; all else is as it is there. A value that is unknown is
left out, as in the original, and an unknown list is empty.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bson.objectid import ObjectId

from dbwatch.sample_ids import object_id

Document = dict[str, Any]

_QUERY = """
    SELECT o.*, t.Rating AS criticRating, t.Meter, t.Reviews, t.Fresh, t.Rotten, t.BoxOffice, t.Production
    FROM omdb o JOIN tomatoes t ON t.ID = o.ID
    ORDER BY t.Reviews DESC, o.ID
    LIMIT ?
"""
_MEAN_RATING = 6.3  # what a film with few reviews is drawn to, as on IMDb


def films(*, count: int, seed: int) -> Iterator[Document]:
    """The `count` films that were reviewed most, first the most reviewed; all of them when there are not as many."""
    with closing(sqlite3.connect(f"file:{_database()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for number, row in enumerate(connection.execute(_QUERY, (count,))):
            yield _film(row, object_id("movies", number, seed=seed), random.Random(f"{seed} film {row['ID']}"))


def _database() -> Path:
    """Found without importing the package, which would load pandas."""
    spec = find_spec("bokeh_sampledata")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("_data") / "movies.db"


def _film(row: sqlite3.Row, key: ObjectId, rng: random.Random) -> Document:
    rating, votes = _rating(row, rng)
    released = datetime.strptime(row["Released"], "%Y-%m-%d").replace(tzinfo=UTC)
    updated = datetime.strptime(row["lastUpdated"], "%Y-%m-%d").replace(tzinfo=UTC)
    film: Document = {
        "_id": key,
        "title": row["Title"],
        "year": row["Year"],
        "runtime": row["Runtime"] and int(row["Runtime"]),
        "genres": _names(row["Genre"]),
        "cast": _names(row["Cast"]),
        "directors": _names(row["Director"]),
        "writers": _names(row["Writer"]),
        "languages": _names(row["Language"]),
        "countries": _names(row["Country"]),
        "released": released,
        "rated": row["Rating"],
        "metacritic": row["Metacritic"],
        "awards": _awards(row["Awards"]),
        "imdb": {"rating": rating, "votes": votes, "id": int(row["imdbID"].removeprefix("tt"))},
        "tomatoes": _tomatoes(row, rating, votes, updated, rng),
        "lastupdated": f"{row['lastUpdated']} 00:00:00.000000000",
        "type": "movie",
        "num_mflix_comments": 0,
    }
    return _known(film)


def _rating(row: sqlite3.Row, rng: random.Random) -> tuple[float, int]:
    """What viewers might have said: near the critics, drawn to the mean; votes grow faster than reviews do."""
    critics = row["criticRating"] or (row["Metacritic"] or 10 * _MEAN_RATING) / 10
    rating = 0.75 * critics + 0.25 * _MEAN_RATING + rng.gauss(0, 0.4)
    votes = 30 * (row["Reviews"] or 5) ** 1.6 * rng.lognormvariate(0, 0.5)
    return round(min(max(rating, 1.0), 9.5), 1), int(votes)


def _tomatoes(row: sqlite3.Row, rating: float, votes: int, updated: datetime, rng: random.Random) -> Document:
    viewer = {
        "rating": round(rating / 2, 1),
        "numReviews": max(1, votes // 12),
        "meter": round(min(max(10 * rating + rng.gauss(0, 6), 1), 99)),
    }
    critic = _known({"rating": row["criticRating"], "numReviews": row["Reviews"], "meter": row["Meter"]})
    return _known(
        {
            "viewer": viewer,
            "critic": critic or None,
            "fresh": row["Fresh"],
            "rotten": row["Rotten"],
            "boxOffice": row["BoxOffice"] and f"${row['BoxOffice'] / 1e6:.1f}M",
            "production": row["Production"],
            "lastUpdated": updated,
        }
    )


def _awards(text: str | None) -> Document | None:
    """
    >>> _awards("Won 2 Oscars. Nominated for 6 Oscars.")
    {'wins': 2, 'nominations': 6, 'text': 'Won 2 Oscars. Nominated for 6 Oscars.'}
    """
    if text is None:
        return None
    won, nominated = (re.search(pattern, text) for pattern in (r"Won (\d+)", r"Nominated for (\d+)"))
    return {
        "wins": int(won.group(1)) if won else 0,
        "nominations": int(nominated.group(1)) if nominated else 0,
        "text": text,
    }


def _names(listed: str | None) -> list[str]:
    return [name.strip() for name in (listed or "").split(", ") if name.strip()]


def _known(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}
