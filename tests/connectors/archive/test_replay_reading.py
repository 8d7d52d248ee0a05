"""How a replay reads an archive that a job is still writing, or has written anew after a crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bson
import pytest

from connectors.archive import reading, replay_reading
from connectors.archive.chapter import Progress, read_progress, write_chapter, write_progress
from connectors.archive.moment import Moment
from connectors.archive.replay_reading import Asked, Step, replayed
from connectors.archive.replay_state import Floor, Place, ReplayState, cut_after, cut_before
from connectors.archive.taking_back import take_back
from connectors.archive.writer import PartitionWriter, Reached
from connectors.changes import Change, Shape
from connectors.ending import Ending
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState
from tests.connectors.archive.past import BEGIN_S, chapter_of, made

BEGIN = f"{BEGIN_S:08x}00000000"
END = f"{BEGIN_S + 100:08x}00000001"


def written(root: Path, commits: Sequence[Sequence[Change]], *, durable: int, alive: bool = True) -> None:
    """One partition of a chapter, with these commits of which so many are durable."""
    write_chapter(root, chapter_of(begin=BEGIN))
    writer = PartitionWriter(root / chapter_of().name, 0, ending=Ending())
    writer.start(0)
    for changes in commits:
        writer.add(changes)
        writer.commit(Reached(END, image=True))
    writer.close()
    at_ms = time.time_ns() // 1_000_000 if alive else 0
    told = told_of(root)
    assert told.seq == len(commits)
    write_progress(root / chapter_of().name, told._replace(durable=durable, at_ms=at_ms))


def told_of(root: Path) -> Progress:
    progress = read_progress(root / chapter_of().name, 0)
    assert progress is not None
    return progress


def read(
    root: Path, state: ReplayState | None = None, *, until_s: int = 50, then: Callable[[], object] = lambda: None
) -> tuple[list[int], Step]:
    """The numbers of the changes that come out of the archive, and the last step before the database is asked; `then`
    happens after the first step.
    """
    asked = Asked(root, chapter_of().name, Moment.at((BEGIN_S + until_s) * 1000), {"films": Shape()}, "", "sample", 1)
    numbers: list[int] = []
    last: Step | None = None
    for step in replayed(asked, state or ReplayState(asked.chapter, "", begin=BEGIN), threading.Event()):
        numbers += [int(change.position[8:], 16) for change in step.changes]  # type: ignore[union-attr]
        if last is None:
            then()
        last = step
        if step.state.position:
            break
    assert last is not None
    return numbers, last


def changes(*numbers: int) -> list[Change]:
    return [made(number, second=number, key=str(number)) for number in numbers]


def test_what_the_job_may_still_take_back_is_left_to_the_databases_own_log(tmp_path: Path) -> None:
    written(tmp_path, [changes(1, 2), changes(3), changes(4, 5)], durable=2)
    numbers, step = read(tmp_path)
    assert numbers == [1, 2, 3]
    assert step.state.position == cut_before(changes(4)[0].position)


def test_of_a_job_that_has_ended_everything_is_read(tmp_path: Path) -> None:
    written(tmp_path, [changes(1, 2), changes(3), changes(4, 5)], durable=1, alive=False)
    numbers, step = read(tmp_path)
    assert numbers == [1, 2, 3, 4, 5]
    assert step.end is not None
    assert step.end.cut == f"{BEGIN_S + 51:08x}00000000"


def test_rows_of_the_first_reading_are_read_at_once_for_they_are_nowhere_else(tmp_path: Path) -> None:
    rows = [made(0, key=key) for key in "abc"]
    written(tmp_path, [rows, changes(1)], durable=0)
    numbers, step = read(tmp_path)
    assert numbers == [0, 0, 0]
    assert step.state.position == cut_before(changes(1)[0].position)


@pytest.mark.parametrize("alive", [True, False])
def test_what_a_job_that_is_started_meanwhile_takes_back_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, alive: bool
) -> None:
    monkeypatch.setattr(reading, "_PIECE", 1)
    written(tmp_path, [changes(1), changes(2), changes(3), changes(4)], durable=2, alive=alive)
    until_2 = Reached(changes(2)[0].position, image=True)
    numbers, step = read(tmp_path, then=lambda: take_back(tmp_path / chapter_of().name, 0, 2, until_2))
    assert numbers == [1, 2]
    assert until_2.position <= step.state.position < changes(3)[0].position
    assert step.end is None


def test_a_first_reading_that_is_begun_anew_meanwhile_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIECE", 1)
    written(tmp_path, [[made(0, key=key)] for key in "abcd"], durable=1)
    with pytest.raises(ConfigError, match="let it come to the end of its reading"):
        read(tmp_path, then=lambda: take_back(tmp_path / chapter_of().name, 0, 1))


def test_a_place_in_a_commit_that_was_written_anew_is_found_by_its_change(tmp_path: Path) -> None:
    rows = [made(0, key=key) for key in "abc"]
    written(tmp_path, [rows, changes(1, 2), changes(3, 4)], durable=0, alive=False)
    place = Place(0, 2, 5, rows[1].position, "films", "b")  # in a commit as it was cut before the crash
    state = ReplayState(chapter_of().name, "", begin=BEGIN, places=(place,), last=place.position)
    assert read(tmp_path, state)[0] == [0, 1, 2, 3, 4]


def test_a_job_that_began_again_further_back_is_told_of(tmp_path: Path) -> None:
    written(tmp_path, [changes(1, 2)], durable=0, alive=False)
    place = Place(0, 9, 0, changes(9)[0].position, "films", "9")
    state = ReplayState(chapter_of().name, "", begin=BEGIN, places=(place,), last=place.position)
    with pytest.raises(ConfigError, match="begin the replay anew"):
        read(tmp_path, state)


def test_a_snapshots_commit_stays_also_while_the_job_has_not_said_so(tmp_path: Path) -> None:
    written(tmp_path, [changes(1, 2), changes(3), changes(4)], durable=1)
    floor = Floor(0, 2, SourceState.at_start(BEGIN, 1))
    state = ReplayState(chapter_of().name, "", places=(Place(0, 2, (1 << 31) - 1),), floors=(floor,))
    numbers, step = read(tmp_path, state)
    assert numbers == []
    assert step.state.position == cut_before(changes(4)[0].position)


def test_as_long_as_the_image_is_not_whole_there_is_nothing_to_replay(tmp_path: Path) -> None:
    written(tmp_path, [changes(1)], durable=1)
    write_progress(tmp_path / chapter_of().name, told_of(tmp_path)._replace(image=False))
    with pytest.raises(ConfigError, match="image is not whole yet"):
        read(tmp_path)


def test_a_replay_stands_where_its_last_change_was_or_where_it_begins() -> None:
    floors = tuple(Floor(n, 1, SourceState.at_start(at, 2)) for n, at in enumerate((END, BEGIN)))
    assert ReplayState("c", "", floors=floors).reached == BEGIN
    assert ReplayState("c", "", begin=BEGIN).reached == BEGIN
    assert ReplayState("c", "", begin=BEGIN).at(Place(0, 1, 0, END), read=1).reached == END
    assert ReplayState("c", "", begin=BEGIN, position=END, last=BEGIN).reached == END


def at_ends(*ends: tuple[int, int]) -> ReplayState:
    """A replay from the image to the commits of partition 0, each with its last change."""
    floors = tuple(
        Floor(0, seq, SourceState(BEGIN, 1, position=changes(last)[0].position, token=token_at(last)))
        for seq, last in ends
    )
    return ReplayState(chapter_of().name, "", begin=BEGIN, ends=floors)


def token_at(number: int) -> bytes:
    return bson.encode({"_data": f"82{changes(number)[0].position.upper()}2B022C010029"})


@pytest.mark.parametrize("alive", [True, False])
def test_with_a_snapshot_at_its_end_it_gives_the_commits_that_this_knows_of_and_no_more(
    tmp_path: Path, *, alive: bool
) -> None:
    written(tmp_path, [changes(1, 2), changes(3), changes(4, 5)], durable=0, alive=alive)
    numbers, step = read(tmp_path, at_ends((2, 3)))
    assert numbers == [1, 2, 3]
    assert step.end is not None
    assert step.end.cut == cut_before(changes(3)[0].position)
    assert step.end.former == (f"82{changes(3)[0].position.upper()}2B022C010029",)
    again = at_ends((2, 3)).at(Place(0, 1, 0, changes(1)[0].position, "films", "1"), read=1)
    assert read(tmp_path, again)[0] == [2, 3]


@pytest.mark.parametrize("ends", [(4, 5), (3, 4)])
def test_a_snapshot_whose_commits_were_taken_back_since_is_told_of(tmp_path: Path, ends: tuple[int, int]) -> None:
    """Also when others of these numbers are there by now."""
    written(tmp_path, [changes(1, 2), changes(3), changes(4, 5)], durable=0, alive=False)
    with pytest.raises(ConfigError, match="begun anew, from an older recovery folder, after the snapshot"):
        read(tmp_path, at_ends(ends))


def nothing(**_: object) -> tuple[()]:
    return ()


def test_while_more_is_looked_for_it_does_not_seem_to_be_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_reading, "_MANY", 1)
    monkeypatch.setattr(replay_reading, "tailed", nothing)
    written(tmp_path, [changes(1, 2), changes(3)], durable=1)
    asked = Asked(tmp_path, chapter_of().name, Moment.at((BEGIN_S + 50) * 1000), {"films": Shape()}, "", "sample", 1)
    steps = list(replayed(asked, ReplayState(asked.chapter, "", begin=BEGIN), threading.Event()))
    found = [(len(step.changes), step.state.position) for step in steps]
    assert found == [(2, ""), (0, cut_before(changes(3)[0].position))]


def test_the_end_of_a_second_is_the_beginning_of_the_next() -> None:
    assert cut_after(Moment.at(5999).upper) == "0000000600000000"
    assert cut_after("0000000500000007.~") == "0000000500000007"
