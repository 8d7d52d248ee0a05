"""What a recovery store would give back, held against what the engine gives back."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from bytewax.recovery import (
    InconsistentPartitionsError,
    init_db_dir,  # pyright: ignore[reportUnknownVariableType]
)

from connectors.errors import ConfigError
from flows.recovery import make_store
from flows.store_states import SOURCE_STEP, source_states
from tests.conftest import wait_until
from tests.flows import stores

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("partitions", "sources", "workers"), [(1, 1, 1), (1, 3, 2), (4, 3, 1), (5, 2, 3)])
def test_the_states_are_those_that_the_engine_resumes_with(
    tmp_path: Path, partitions: int, sources: int, workers: int
) -> None:
    init_db_dir(tmp_path, partitions)
    assert source_states(tmp_path) == {}
    stores.write(tmp_path, sources=sources, workers=workers)
    first = source_states(tmp_path)
    assert first == {f"tail-{n}": stores.state_at(stores.ITEMS, sources) for n in range(sources)}
    assert stores.write(tmp_path, sources=sources, abort=True) == first
    aborted = source_states(tmp_path)
    assert stores.write(tmp_path, sources=sources, workers=workers + 1) == aborted


@contextmanager
def counting(folder: Path, *, workers: int) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.flows.stores", str(folder), str(workers)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def least_read(folder: Path) -> int:
    states = source_states(folder)
    return min((state.read for state in states.values() if isinstance(state, stores.SourceState)), default=0)


@pytest.mark.parametrize(("partitions", "workers"), [(1, 1), (4, 2)])
def test_of_a_killed_job_the_states_are_those_that_it_resumes_with(
    tmp_path: Path, partitions: int, workers: int
) -> None:
    init_db_dir(tmp_path, partitions)
    with counting(tmp_path, workers=workers):
        wait_until(lambda: least_read(tmp_path) > 30, what="items, seen while it runs")
    found = source_states(tmp_path)
    assert len(found) == 2
    assert stores.write(tmp_path, workers=workers) == found


def test_what_was_begun_after_the_last_whole_epoch_does_not_count(tmp_path: Path) -> None:
    make_store(tmp_path)
    stores.write(tmp_path)
    before = source_states(tmp_path)
    with closing(sqlite3.connect(tmp_path / "part-0.sqlite3")) as db:
        db.execute(
            "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, 'tail-0', 99, ?)",
            (SOURCE_STEP, pickle.dumps(stores.state_at(99, 2))),
        )
        db.commit()
    assert source_states(tmp_path) == before == stores.write(tmp_path)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    make_store(tmp_path)
    stores.write(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.sqlite3")}
    source_states(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.sqlite3")} == before


def not_all(folder: Path) -> None:
    (folder / "part-2.sqlite3").unlink()


def one_twice(folder: Path) -> None:
    shutil.copy(folder / "part-1.sqlite3", folder / "part-2.sqlite3")


def not_ours(folder: Path) -> None:
    with_state(folder, pickle.dumps(Counter("ab")))


def of_no_class(folder: Path) -> None:
    with_state(folder, b"\x80\x04\x8c\x06connec\x8c\x04Nope\x93.")


def cut_off(folder: Path) -> None:
    with_state(folder, pickle.dumps(stores.state_at(1, 2))[:-9])


def of_other_fields(folder: Path) -> None:
    with_state(folder, b"\x80\x04\x8c\x16connectors.mongo_state\x8c\x0bSourceState\x93)\x81.")


def with_state(folder: Path, state: bytes) -> None:
    for file in folder.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(file)) as db:
            db.execute("UPDATE snaps SET ser_change = ? WHERE step_id = ?", (state, SOURCE_STEP))
            db.commit()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (not_all, "expects 3 partition files, found 2; restore the rest"),
        (one_twice, "do not belong together or are not all; restore all of them from one copy"),
        (not_ours, "the state of watch.changes tail-0 cannot be read .collections.Counter is none of this program's."),
        (of_no_class, "connec.Nope is none of this program's"),
        (cut_off, "cannot be read .*; use the version of dbwatch that wrote it, restore"),
        (of_other_fields, "missing 3 required positional arguments"),
    ],
)
def test_a_store_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    init_db_dir(tmp_path, 3)
    stores.write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ConfigError, match=says) as caught:
        source_states(tmp_path)
    assert "\n" not in str(caught.value)


def test_partition_files_of_different_times_are_refused_as_the_engine_does(tmp_path: Path) -> None:
    now, then = tmp_path / "now", tmp_path / "then"
    now.mkdir()
    init_db_dir(now, 3)
    stores.write(now)
    shutil.copytree(now, then)
    stores.write(now, backup_s=0, items=20)
    for file in now.glob("part-*"):
        with closing(sqlite3.connect(file)) as db:
            is_of_fronts = db.execute("SELECT count(*) FROM exs").fetchone() != (0,)
        if is_of_fronts:
            file.unlink()
            shutil.copy(then / file.name, now)
    with pytest.raises(ConfigError, match=r"of different times: the job would go on at epoch \d+, whose state part-"):
        source_states(now)
    with pytest.raises(InconsistentPartitionsError):
        stores.write(now)
