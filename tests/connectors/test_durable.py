"""A small file is on the disk before it has its name, and a disk that is full leaves the one before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.archive.chapter import write_chapter
from connectors.durable import write_durably
from connectors.errors import ConfigError
from dbwatch.replay_folder import made
from flows.recovery import label_store, make_store, read_label
from flows.replaying.note import Note, read_note, write_note
from tests.connectors.archive.archives import chapter_of
from tests.connectors.archive.limits import files_of_at_most

NOTE = Note("a", "id", "", "", {})


def a_label(folder: Path) -> Path:
    label_store(folder, job_id="job", run_id="run")
    return folder / "dbwatch.json"


def a_note(folder: Path) -> Path:
    write_note(folder, NOTE)
    return folder / "dbwatch.replay.json"


def what_was_asked(folder: Path) -> Path:
    replay = folder / "replays" / "a"  # else the folders of other tests would seem to stand among replays
    made(replay, {"until": "now"}, None)
    return replay / "replay.json"


def a_chapter(folder: Path) -> Path:
    write_chapter(folder, chapter_of(begin=""))
    return folder / chapter_of(begin="").name / "chapter.json"


@pytest.mark.parametrize("write", [a_label, a_note, what_was_asked, a_chapter])
def test_what_it_holds_and_its_name_are_synced_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Path]
) -> None:
    steps: list[int | str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        steps.append(os.fstat(handle).st_ino)
        fsync(handle)

    def named(self: Path, target: Path) -> Path:
        steps.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    file = write(tmp_path)
    begun = steps.index(file.name)
    assert steps[begun - 1] == file.stat().st_ino
    assert steps[begun + 1] == file.parent.stat().st_ino


def test_a_full_disk_leaves_the_file_before_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_durably(file, b"before")
    with files_of_at_most(2), pytest.raises(OSError, match="File too large"):
        write_durably(file, b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"before")]


def test_a_label_and_a_note_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    make_store(tmp_path)
    a_label(tmp_path)
    a_note(tmp_path)
    with files_of_at_most(2):
        with pytest.raises(ConfigError, match=r"dbwatch\.json cannot be written: File too large; make room there"):
            label_store(tmp_path, job_id="other", run_id="run")
        with pytest.raises(ConfigError, match=r"replay\.json cannot be written: File too large; make room there"):
            write_note(tmp_path, NOTE._replace(cut="f"))
    label = read_label(tmp_path)
    assert label is not None
    assert label.job_id == "job"
    assert read_note(tmp_path) == NOTE
