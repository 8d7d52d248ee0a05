"""Which chapter a replay reads, and what is said when there is none that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.archive.chapter import Progress, write_chapter, write_progress
from connectors.archive.layout import WHOLE
from connectors.archive.moment import Moment
from connectors.archive.replay_state import Floor, Place
from connectors.archive.source import Archived
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState
from flows.replaying.choosing import Chosen, choose
from flows.replaying.ends import Ends, ends_of
from flows.views import parse_views
from tests.connectors.archive.past import chapter_of

HOUR_S = 3600
T_S = 1_790_000_000
VIEWS = parse_views({"views": {"films": {"mask": ["secret"]}}})
FOLDER = Path("copy")


def at(second: int) -> str:
    return f"{T_S + second:08x}00000001"


def moment(second: int) -> Moment:
    return Moment.at((T_S + second) * 1000)


def state(second: int, *, chapter: str = "job-0001-0001", seq: int = 4) -> Archived:
    return Archived(SourceState(at(0), 1, position=at(second)), chapter, seq)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two chapters, of an hour each."""
    for number, begin in (1, 0), (2, 2 * HOUR_S):
        chapter = chapter_of(f"job-0001-000{number}", begin=at(begin))
        view: dict[str, Any] = {"name": "films", "collection": "films", "fields": None, "lookups": []}
        write_chapter(tmp_path, chapter._replace(views=(view,), masks={"films": ["secret"]}))
        progress = Progress(0, 9, 9, at(begin + HOUR_S), image=True, at_ms=0)
        write_progress(tmp_path / chapter.name, progress)
    return tmp_path


def chosen(root: Path, states: dict[str, object], second: int, views: str = "", database: str = "sample") -> Chosen:
    parsed = parse_views({"views": {views: {}}}) if views else VIEWS
    return choose(root, FOLDER, states, moment(second), parsed, database=database)


@pytest.mark.parametrize(("second", "chapter"), [(1, 1), (HOUR_S + 5, 1), (2 * HOUR_S + 1, 2), (9 * HOUR_S, 2)])
def test_without_a_snapshot_it_is_the_last_chapter_that_had_begun(root: Path, second: int, chapter: int) -> None:
    found = chosen(root, {}, second)
    assert found.chapter.name == f"job-0001-000{chapter}"
    assert (found.begin.begin, found.begin.places) == (found.chapter.begin, ())


def test_a_chapter_that_an_earlier_one_outlasted_is_not_read(root: Path) -> None:
    """As when views were changed, and the old job was started again: the later chapter has ended long ago."""
    write_progress(root / "job-0001-0001", Progress(0, 99, 99, at(9 * HOUR_S), image=True, at_ms=0))
    assert chosen(root, {}, 8 * HOUR_S).chapter.name == "job-0001-0001"


def test_with_a_snapshot_it_is_its_own_after_the_commits_that_it_knows(root: Path) -> None:
    found = chosen(root, {"tail-1": state(9, seq=7), "tail-0": state(8)}, 9 * HOUR_S)
    assert found.chapter.name == "job-0001-0001"
    assert found.begin.places == (Place(0, 4, WHOLE), Place(1, 7, WHOLE))
    assert found.begin.floors == (Floor(0, 4, state(8).inner), Floor(1, 7, state(9).inner))
    assert found.begin.begin == ""


@pytest.mark.parametrize(
    ("states", "second", "said"),
    [
        ({}, -1, "is before the archive begins: it tells of 2026-09-21T14:13:20"),
        ({"tail-0": state(50)}, 49, "after 2026-09-21T14:14:09Z; use an older snapshot"),
        ({"tail-0": state(-1)}, 50, "does not reach back so far: it tells of 2026-09-21T14:13:20"),
        ({"tail-0": state(5, chapter="gone")}, 50, "the chapter gone is not there"),
        ({"tail-0": SourceState(at(0), 1, position=at(1))}, 50, "kept no archive then"),
        ({"tail-0": state(5), "tail-1": state(5, chapter="job-0001-0002")}, 50, "began a chapter of its archive"),
        ({"tail-0": Archived(5, "job-0001-0001", 1)}, 50, "not that of MongoDB's changes"),
    ],
)
def test_what_the_archive_cannot_give_is_said_with_what_it_can(
    root: Path, states: dict[str, object], second: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        chosen(root, states, second)


def ends(second: int, *, chapter: str = "job-0001-0001", seq: int = 6) -> Ends:
    return ends_of(Path("snapshots/s"), "job", {"tail-0": state(second, chapter=chapter, seq=seq)}, {})


def chosen_up_to(root: Path, states: dict[str, object], until: Ends) -> Chosen:
    return choose(root, FOLDER, states, Moment(until.position + ".~"), VIEWS, database="sample", ends=until)


def test_with_an_end_it_is_the_chapter_of_that_also_when_a_later_one_had_begun(root: Path) -> None:
    found = chosen_up_to(root, {}, ends(3 * HOUR_S))
    assert found.chapter.name == "job-0001-0001"
    assert [floor.seq for floor in found.begin.ends] == [6]
    found = chosen_up_to(root, {"tail-0": state(5)}, ends(9))
    assert (found.begin.places, len(found.begin.ends)) == ((Place(0, 4, WHOLE),), 1)


@pytest.mark.parametrize(
    ("states", "until", "said"),
    [
        ({}, ends(5, chapter="gone"), "the chapter gone is not there .* to which the snapshot snapshots/s belongs"),
        ({}, ends(-5), "does not reach back so far: it tells of 2026-09-21T14:13:20"),
        ({"tail-0": state(5, seq=7)}, ends(9), "not of an earlier time than the snapshot snapshots/s"),
    ],
)
def test_an_end_that_the_archive_or_the_beginning_does_not_fit_is_refused(
    root: Path, states: dict[str, object], until: Ends, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        chosen_up_to(root, states, until)


def test_another_database_or_collection_or_what_was_masked_is_not_in_it(root: Path) -> None:
    with pytest.raises(ConfigError, match="expected the archive of the database other, found that of sample"):
        chosen(root, {}, 5, database="other")
    with pytest.raises(ConfigError, match="need the collection users, and the archive has only films"):
        chosen(root, {}, 5, views="users")
    with pytest.raises(ConfigError, match="secret of films was masked"):
        chosen(root, {}, 5, views="films")
