"""One folder may hold the archives of several jobs: each question is answered by the one that can tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.archive.chapter import write_chapter
from connectors.archive.moment import Moment
from connectors.archive.travel import Past, PastVersion, Travel
from connectors.errors import ConfigError
from tests.connectors.archive.archives import Archive, at
from tests.connectors.archive.joined import chapter, record_in_commits
from tests.connectors.archive.test_travel import movie


def job(
    root: Path, number: int, *, first: int, last: int, title: str, database: str = "films", view: str = "movies"
) -> Archive:
    """A chapter of a job of its own, which goes from second to second; the one film has this title in the end."""
    archive = chapter(root, begin=at(first), number=number)
    views = [{**one, "name": view} for one in archive.chapter.views if one["name"] == "movies"]
    archive.chapter = archive.chapter._replace(job_id=f"job-{number}", database=database, views=views)
    write_chapter(root, archive.chapter)
    record_in_commits(archive, [movie(at(first), "read", op="r"), movie(at(last - 1), title)], [])
    archive.progress(at(last))
    return archive


def title(past: Past | None) -> str:
    assert past is not None
    assert past.row is not None
    return json.loads(past.row)["title"]


def now(travel: Travel, view: str = "movies") -> str:
    return title(travel.row_at(view, "m", travel.moment("now", now_ms=0, view=view)))


def test_each_database_has_its_own_past(tmp_path: Path) -> None:
    job(tmp_path, 1, first=10, last=500, title="of shop", database="shop")
    job(tmp_path, 2, first=20, last=490, title="of films")
    for database in ("shop", "films"):
        assert now(Travel(tmp_path, database=lambda name=database: name)) == f"of {database}"
    for travel in (Travel(tmp_path), Travel(tmp_path, database=lambda: "other")):
        with pytest.raises(ConfigError, match=r"holds the databases films, shop.*MONGO_DB"):
            travel.recorded()


def test_an_archive_of_one_database_is_asked_whatever_the_settings_say(tmp_path: Path) -> None:
    job(tmp_path, 1, first=10, last=500, title="A", database="shop")
    assert now(Travel(tmp_path, database=lambda: "other")) == "A"


@pytest.mark.parametrize("ends", [(500, 500), (490, 500), (500, 490)])
def test_of_two_jobs_at_once_each_view_is_told_by_the_one_that_has_it(tmp_path: Path, ends: tuple[int, int]) -> None:
    job(tmp_path, 1, first=10, last=ends[0], title="A")
    job(tmp_path, 2, first=20, last=ends[1], title="B", view="films")
    travel = Travel(tmp_path)
    assert (now(travel), now(travel, "films")) == ("A", "B")
    told = [version for version in travel.history("movies", "m") if isinstance(version, PastVersion)]
    assert [json.loads(version.after or "")["title"] for version in told] == ["read", "A"]


def test_a_job_that_went_on_after_a_later_one_had_ended_tells_of_it_all(tmp_path: Path) -> None:
    """As when views were changed, and the old job is started again."""
    job(tmp_path, 1, first=10, last=900, title="A")
    job(tmp_path, 2, first=200, last=300, title="B")
    travel = Travel(tmp_path)
    assert now(travel) == "A"
    assert [one.chapter.number for one in travel.recorded()] == [1]
    assert title(travel.row_at("movies", "m", Moment(at(250)))) == "read"


def test_a_later_job_tells_of_its_own_time_while_it_runs(tmp_path: Path) -> None:
    job(tmp_path, 1, first=10, last=505, title="A")
    job(tmp_path, 2, first=200, last=500, title="B")
    travel = Travel(tmp_path)
    assert now(travel) == "B"
    assert [one.chapter.number for one in travel.recorded()] == [1, 2]


def test_a_view_that_a_later_job_does_not_have_any_more_is_not_told_as_of_now(tmp_path: Path) -> None:
    job(tmp_path, 1, first=10, last=200, title="A")
    job(tmp_path, 2, first=200, last=900, title="B", view="films")
    travel = Travel(tmp_path)
    with pytest.raises(ConfigError, match=r"'movies' was no view of the job then.*it had films"):
        now(travel)
    assert title(travel.row_at("movies", "m", Moment(at(199)))) == "A"
