"""Saving snapshots: of stores that are in use, that are not, and that cannot be."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]

from connectors.archive.source import Archived
from connectors.errors import ConfigError
from flows import saving
from flows.recovery import label_store, open_store
from flows.saving import save_snapshot
from flows.snapshots import Reached, Snapshot, drop_snapshot, find_snapshot, list_snapshots
from flows.store_states import source_states
from tests.conftest import wait_until
from tests.connectors.archive.limits import files_of_at_most
from tests.flows import stores
from tests.flows.test_store_states import ROOT, counting, least_read

MADE_FOR = {"mongo_db": "films", "dbwatch_mongo_partitions": "2", "dbwatch_stream_shards": "1", "views": "abc"}


def prepared(folder: Path, *, partitions: int = 1) -> Path:
    folder.mkdir()
    init_db_dir(folder, partitions)
    label_store(folder, job_id="job", run_id="run", generation=3, made_for=MADE_FOR, by="0.9")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = prepared(tmp_path / "recovery")
    stores.write(folder)
    return folder


def test_a_snapshot_says_what_it_is(store: Path, root: Path) -> None:
    saved = save_snapshot(store, root, "one")
    state = stores.state_at(stores.ITEMS, 2)
    assert saved == find_snapshot(root, "one")
    assert saved._replace(saved_ms=0, files={}) == Snapshot(
        folder=root / "one",
        flow="watch",
        version="0.9",
        state_format=3,
        job_id="job",
        generation=3,
        epoch=stores.ITEMS + 2,
        partitions={f"tail-{n}": Reached(state.position, "tail") for n in range(2)},
        made_for=MADE_FOR,
        saved_ms=0,
        files={},
    )
    assert saved.position == state.position
    assert saved.position_ms == int(state.position[:8], 16) * 1000
    assert saved.size == (root / "one" / "part-0.sqlite3").stat().st_size
    assert sorted(path.name for path in (root / "one").iterdir()) == ["dbwatch.json", "part-0.sqlite3", "snapshot.json"]


def test_it_says_which_commits_of_the_archive_the_state_knows(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(tmp_path / "recovery")
    state_at = stores.state_at

    def archived_at(count: int, partitions: int) -> Archived:
        return Archived(state_at(count, partitions), "chapter", count)

    monkeypatch.setattr(stores, "state_at", archived_at)
    stores.write(folder)
    saved = save_snapshot(folder, root, "one")
    assert set(saved.partitions.values()) == {Reached(state_at(10, 2).position, "tail", "chapter", 10)}


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_job_goes_on_from_a_snapshot_as_from_its_store(tmp_path: Path, root: Path, partitions: int) -> None:
    folder = prepared(tmp_path / "recovery", partitions=partitions)
    stores.write(folder)
    save_snapshot(folder, root, "one")
    stores.write(folder)
    copy = shutil.copytree(root / "one", tmp_path / "copy")
    assert open_store(copy, flow_id="watch") == open_store(folder, flow_id="watch")._replace(folder=copy)
    assert stores.write(copy) == {f"tail-{n}": stores.state_at(stores.ITEMS, 2) for n in range(2)}


@pytest.mark.parametrize(("partitions", "workers"), [(1, 1), (4, 2)])
def test_the_store_of_a_running_job_is_copied_as_of_one_moment_again_and_again(
    tmp_path: Path, root: Path, partitions: int, workers: int
) -> None:
    folder = prepared(tmp_path / "recovery", partitions=partitions)
    with counting(folder, workers=workers) as job:
        wait_until(lambda: least_read(folder) > 20, what="the first states")
        saved = [save_snapshot(folder, root, f"s{number}") for number in range(4)]
        assert job.poll() is None
        last = least_read(folder)
        wait_until(lambda: least_read(folder) > last + 20, what="epochs after the last snapshot")
    positions = [found.position for found in saved]
    assert positions == sorted(positions)
    assert positions[0] < positions[-1]
    for found in saved:
        states = source_states(found.folder)
        assert {name: reached.position for name, reached in found.partitions.items()} == {
            name: state.position for name, state in states.items() if isinstance(state, stores.SourceState)
        }
        copy = shutil.copytree(found.folder, tmp_path / "copy" / found.name)
        assert stores.write(copy, workers=workers) == states


def test_a_copy_cut_off_leaves_no_snapshot_and_the_next_one_clears_up(
    store: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from flows.saving import save_snapshot; "
        "save_snapshot(Path(sys.argv[1]), Path(sys.argv[2]), 'one', "
        "tell=lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(store), str(root)], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(root.iterdir())) == 1
    assert list_snapshots(root) == []
    save_snapshot(store, root, "two")
    assert [path.name for path in root.iterdir()] == ["two"]


def test_a_copy_that_is_interrupted_leaves_nothing(store: Path, root: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_snapshot(store, root, "one", tell=interrupt)
    assert list(root.iterdir()) == []


def test_what_another_process_is_making_is_left_alone(store: Path, root: Path) -> None:
    made: list[str] = []

    def meanwhile(*_: object) -> None:
        if not made:
            made.append(save_snapshot(store, root, "two").name)

    assert save_snapshot(store, root, "one", tell=meanwhile).name == "one"
    assert {found.name for found in list_snapshots(root)} == {"one", "two"}


@pytest.mark.parametrize("times", [1, 3])
def test_what_is_made_and_swept_away_by_another_process_before_it_is_locked_is_made_again(
    store: Path, root: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    flock = fcntl.flock
    swept: list[str] = []

    def later(handle: int, how: int) -> None:
        if how == fcntl.LOCK_EX and len(swept) < times:
            swept.extend(path.name for path in root.iterdir())
            for path in root.iterdir():
                path.rmdir()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", later)
    save_snapshot(store, root, "one")
    assert len(swept) == times
    assert [path.name for path in root.iterdir()] == ["one"]


def test_what_another_process_sweeps_away_while_it_is_dropped_is_dropped(
    store: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_snapshot(store, root, "one")
    rmtree = shutil.rmtree

    def late(folder: Path) -> None:
        monkeypatch.undo()
        for left in root.iterdir():
            rmtree(left)
        rmtree(folder)

    monkeypatch.setattr(shutil, "rmtree", late)
    drop_snapshot(root, "one")
    assert list(root.iterdir()) == []


def test_an_existing_name_is_refused_and_stays_as_it_is(store: Path, root: Path) -> None:
    before = save_snapshot(store, root, "one")
    with pytest.raises(ConfigError, match=r"there is one of this name in [^ ]*; choose another name, or drop it first"):
        save_snapshot(store, root, "one")
    assert list_snapshots(root) == [before]


def without_label(folder: Path) -> None:
    (folder / "dbwatch.json").unlink()


def being_made(folder: Path) -> None:
    (folder / "dbwatch.making").write_text("1\n")


def without_partitions(folder: Path) -> None:
    (folder / "part-0.sqlite3").unlink()


def not_there(folder: Path) -> None:
    shutil.rmtree(folder)


def cut_off(folder: Path) -> None:
    os.truncate(folder / "part-0.sqlite3", 30_000)


def of_no_length(folder: Path) -> None:
    os.truncate(folder / "part-0.sqlite3", 0)


def spoilt_within(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "part-0.sqlite3")) as db:
        db.execute("INSERT INTO snaps VALUES ('now', 'watch.join', 'z', 1, zeroblob(100000))")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((root_page,),) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'snaps'")
        ((size,),) = db.execute("PRAGMA page_size")
    with (folder / "part-0.sqlite3").open("r+b") as file:
        file.seek((root_page - 1) * size)
        file.write(b"\x05" + b"\xff" * 40)


def of_another_flow(folder: Path) -> None:
    stores.write(folder, flow_id="other")


def of_a_later_format(folder: Path) -> None:
    label = json.loads((folder / "dbwatch.json").read_text())
    (folder / "dbwatch.json").write_text(json.dumps(label | {"format": 99}))


def without_state(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "part-0.sqlite3")) as db:
        db.execute("DELETE FROM snaps")
        db.commit()


def of_a_replay(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "part-0.sqlite3")) as db:
        db.execute("UPDATE snaps SET ser_change = x'4e2e' WHERE step_id = 'watch.changes'")  # None, pickled
        db.commit()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_label, "it has no dbwatch.json, so nobody can tell which job's state it holds; restore"),
        (being_made, "it is being made, or that was cut off; the next start of the job makes it whole"),
        (without_partitions, "expected part-.* files, found none"),
        (not_there, "there is no such folder; -r names the one of the job"),
        (cut_off, "part-0.sqlite3 cannot be read as a recovery partition .*; restore it from a copy"),
        (of_no_length, "part-0.sqlite3 cannot be read as a recovery partition .*; restore it from a copy"),
        (spoilt_within, "restore it|restore them"),
        (of_another_flow, "holds the state of the flow 'other', expected that of 'watch'; name another folder"),
        (of_a_later_format, "its format is 99, this version reads 3; use the version that wrote it"),
        (without_state, "holds no state yet; a job takes its first recovery snapshot within seconds"),
        (of_a_replay, "the state of watch.changes tail-0 is not that of a live job"),
    ],
)
def test_a_store_that_cannot_be_copied_is_refused_in_one_line_and_nothing_is_left(
    store: Path, root: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(store)
    with pytest.raises(ConfigError, match=says) as caught:
        save_snapshot(store, root, "one")
    assert "\n" not in str(caught.value)
    assert not root.exists() or list(root.iterdir()) == []


def test_without_room_nothing_is_begun(store: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_SPARE", 1 << 60)
    with pytest.raises(ConfigError, match=r"a snapshot takes .* and .* are free; make room, or name another folder"):
        save_snapshot(store, root, "one")
    assert list(root.iterdir()) == []


def test_a_disk_that_becomes_full_meanwhile_is_not_taken_for_damage_to_the_store(store: Path, root: Path) -> None:
    def full(*_: object) -> None:
        stack.enter_context(files_of_at_most(0))

    with closing(sqlite3.connect(store / "part-0.sqlite3")) as db, ExitStack() as stack:
        db.execute("INSERT INTO snaps VALUES ('now', 'watch.join', 'z', 1, zeroblob(5000000))")
        db.commit()
        with pytest.raises(ConfigError, match=r"folder .*snapshots: the copy cannot be written \(.*\); make room"):
            save_snapshot(store, root, "one", tell=full)
    assert list(root.iterdir()) == []
    save_snapshot(store, root, "one")


def test_a_folder_that_cannot_be_written_is_one_line(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be made or written: .*; name another one"):
        save_snapshot(store, tmp_path / "file", "one")


def test_what_is_done_is_told(store: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_PAGES", 1)
    monkeypatch.setattr(saving, "_MB", 1)
    told: list[tuple[str, int, int]] = []
    saved = save_snapshot(store, root, "one", tell=lambda doing, done, total: told.append((doing, done, total)))
    assert len(told) > 3
    assert told[-1] == ("MB copied", saved.size, saved.size)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})
