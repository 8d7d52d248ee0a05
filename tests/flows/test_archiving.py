"""Which chapter a job writes: it goes on with one only where nothing can be missing from it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.archive.chapter import (
    Chapter,
    Progress,
    Reached,
    read_chapter,
    read_chapters,
    write_chapter,
    write_progress,
)
from connectors.archive.layout import collection_folder
from connectors.archive.settings import ArchiveSettings
from connectors.archive.source import Archived
from connectors.archive.taking_back import take_back
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState
from flows.archiving import begin_chapter, check_folder, reached_by, shared_chapter
from flows.job import Job
from tests.flows.histories import VIEWS

READ_AT = "6a00000000000001"
JOB = Job("job", "run", READ_AT, {})
PLAIN = SourceState.at_start(READ_AT, 2)


@pytest.fixture
def archive(tmp_path: Path) -> ArchiveSettings:
    return ArchiveSettings(tmp_path, None, None)


def begun(archive: ArchiveSettings, states: Mapping[str, object], job: Job = JOB) -> Chapter:
    return begin_chapter(archive, job, states, database="shop", partitions=2, views=VIEWS)


def states(*of: object) -> dict[str, object]:
    return {f"tail-{number}": state for number, state in enumerate(of)}


def in_chapter(chapter: Chapter | str, seq: int = 3) -> Archived:
    return Archived(PLAIN, chapter if isinstance(chapter, str) else chapter.name, seq)


def test_a_new_job_begins_a_chapter_with_its_first_reading(archive: ArchiveSettings) -> None:
    chapter = begun(archive, {})
    assert (chapter.name, chapter.begin, chapter.partitions) == ("job-0001-0001", READ_AT, 2)
    assert read_chapter(archive.folder / chapter.name) == chapter
    assert [view["name"] for view in chapter.views] == [view.name for view in VIEWS.views]
    assert chapter.masks == {name: list(paths) for name, paths in VIEWS.masks.items()}


def test_killed_before_its_first_checkpoint_it_begins_the_same_again(archive: ArchiveSettings) -> None:
    assert begun(archive, {}) == begun(archive, {})


def test_another_generation_or_job_begins_its_own(archive: ArchiveSettings) -> None:
    first = begun(archive, {})
    again = begun(archive, {}, JOB._replace(generation=2, snapshot_position="6b00000000000001"))
    other = begun(archive, {}, JOB._replace(job_id="other"))
    assert (again.name, other.name) == ("job-0002-0001", "other-0001-0001")
    assert sorted(each.name for each in read_chapters(archive.folder)) == sorted([first.name, again.name, other.name])


def test_a_resumed_job_goes_on_with_the_chapter_of_its_states(archive: ArchiveSettings) -> None:
    first = begun(archive, {})
    moved = first._replace(begin="6a0000ff00000001")
    write_chapter(archive.folder, moved)
    assert begun(archive, states(in_chapter(first), in_chapter(first, 9))) == moved


def test_switched_on_later_it_begins_another_that_has_no_image_yet(archive: ArchiveSettings) -> None:
    begun(archive, {})
    second = begun(archive, states(PLAIN, PLAIN))
    assert (second.name, second.begin) == ("job-0001-0002", "")
    assert begun(archive, states(PLAIN, PLAIN)) == second, "killed before any state told of it"
    assert begun(archive, states(in_chapter(second), in_chapter(second))) == second


def test_states_of_which_some_are_of_no_chapter_begin_another(archive: ArchiveSettings) -> None:
    first = begun(archive, {})
    assert begun(archive, states(in_chapter(first), PLAIN)).name == "job-0001-0002"


def test_a_chapter_that_was_removed_is_never_begun_under_its_own_name(archive: ArchiveSettings) -> None:
    """States may tell of commits that the new one does not have."""
    first = begun(archive, {})
    shutil.rmtree(archive.folder / first.name)
    second = begun(archive, states(in_chapter(first), in_chapter(first)))
    assert (second.name, second.begin) == ("job-0001-0002", "")
    assert begun(archive, states(in_chapter(first), in_chapter(first))) == second
    shutil.rmtree(archive.folder / second.name)
    assert begun(archive, states(in_chapter(second), in_chapter(second))).name == "job-0001-0003"


def test_states_of_a_replay_that_is_taken_over_name_another_jobs_chapters(archive: ArchiveSettings) -> None:
    assert begun(archive, states(in_chapter("other-0004-0007"), in_chapter("other-0004-0007"))).name == "job-0001-0001"


def test_a_job_that_reads_again_at_another_time_begins_another(archive: ArchiveSettings) -> None:
    begun(archive, {})
    later = begun(archive, {}, JOB._replace(snapshot_position="6b00000000000001"))
    assert (later.name, later.begin) == ("job-0001-0002", "6b00000000000001")


def test_a_process_of_a_cluster_writes_the_chapter_it_was_told_of(archive: ArchiveSettings, tmp_path: Path) -> None:
    chapter = begun(archive, {})
    told = JOB._replace(chapter=chapter.name)
    assert shared_chapter(archive, told) == archive.folder / chapter.name
    assert shared_chapter(None, JOB) is None
    with pytest.raises(ConfigError, match="expected the archive to be on, as in the first process, found it off"):
        shared_chapter(None, told)
    with pytest.raises(ConfigError, match="expected the archive to be off"):
        shared_chapter(archive, JOB)
    with pytest.raises(ConfigError, match="one folder that they share"):
        shared_chapter(archive._replace(folder=tmp_path / "other"), told)


def test_a_folder_is_made_and_one_that_cannot_be_is_refused(archive: ArchiveSettings) -> None:
    deep = archive._replace(folder=archive.folder / "a" / "b")
    check_folder(deep, collections=[])
    assert list(deep.folder.iterdir()) == []
    (archive.folder / "file").write_text("")
    with pytest.raises(ConfigError, match=r"archive folder .*file/c: cannot be written: Not a directory; make it"):
        check_folder(archive._replace(folder=archive.folder / "file" / "c"), collections=[])


def test_processes_that_begin_at_the_same_time_do_not_disturb_each_others_look_at_the_folder(
    archive: ArchiveSettings,
) -> None:
    with ThreadPoolExecutor(4) as processes:
        for done in [processes.submit(check_folder, archive, collections=[]) for _ in range(400)]:
            done.result()
    assert list(archive.folder.iterdir()) == []


@pytest.mark.parametrize(("fits", "too_long"), [("x" * 244, "x" * 245), ("評" * 27, "評" * 28)])
def test_a_collection_whose_name_no_folder_can_have_is_refused(
    archive: ArchiveSettings, fits: str, too_long: str
) -> None:
    check_folder(archive, collections=["films", fits])
    (archive.folder / collection_folder(fits)).mkdir()
    with pytest.raises(ConfigError, match=f"the collection '{too_long}' cannot have a folder there"):
        check_folder(archive, collections=["films", too_long])


def test_another_jobs_chapter_that_cannot_be_read_keeps_no_job_from_its_own(archive: ArchiveSettings) -> None:
    """As when that job is of a later version already."""
    first = begun(archive, {})
    for name in ("other-0001-0001", f"{first.name} copy"):
        (archive.folder / name).mkdir()
        (archive.folder / name / "chapter.json").write_text('{"format": 99}')
    with capture_logs() as logs:
        assert begun(archive, {}) == first
    assert [log["event"] for log in logs] == ["archive.passed_over"] * 2 + ["archive.resumed"]
    (archive.folder / first.name / "chapter.json").write_text("{")
    with pytest.raises(ConfigError, match=f"{first.name}/chapter.json: cannot be read"):
        begun(archive, {})


def test_a_chapter_into_whose_image_commits_went_that_come_again_is_left(archive: ArchiveSettings) -> None:
    """As when a copy of the recovery folder is put back that is older than what is kept."""
    first = begun(archive, {})
    write_chapter(archive.folder, first._replace(begin=f"{READ_AT[:8]}ffffffff.~", folded={"1": [4, 2]}))
    with capture_logs() as logs:
        assert begun(archive, states(in_chapter(first, 9), in_chapter(first, 3))).name == "job-0001-0002"
    assert "archive.folded_beyond" in [entry["event"] for entry in logs]
    assert begun(archive, states(in_chapter(first, 9), in_chapter(first, 4))).name == first.name


def test_the_image_is_there_once_every_collection_was_read() -> None:
    state = PLAIN._replace(done=("films",), position="6c00000000000001")
    assert reached_by(state, collections=("films", "users")) == Reached("6c00000000000001", image=False)
    assert reached_by(state, collections=("films",)) == Reached("6c00000000000001", image=True)


def test_a_chapter_of_which_commits_were_taken_back_that_the_states_know_is_left(archive: ArchiveSettings) -> None:
    """As when an older copy of the recovery folder was tried, and the newer one is put back."""
    first = begun(archive, {})
    known = states(in_chapter(first, 9), in_chapter(first, 4))
    for partition, seq in ((0, 9), (1, 4)):
        progress = Progress(partition, seq, 1, READ_AT, image=True, at_ms=1)
        write_progress(archive.folder / first.name, progress)
    assert begun(archive, known) == first
    take_back(archive.folder / first.name, 0, 8, Reached(READ_AT, image=True))
    assert begun(archive, known).name == "job-0001-0002"
    assert begun(archive, states(in_chapter(first, 8), in_chapter(first, 4))) == first
