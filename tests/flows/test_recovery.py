"""The recovery store before a run: there or not, whole, ours, with state or without."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import (
    RecoveryConfig,
    init_db_dir,  # pyright: ignore[reportUnknownVariableType]
)
from bytewax.testing import TestingSink, TestingSource, run_main  # pyright: ignore[reportUnknownVariableType]

from connectors.errors import ConfigError, Fenced
from flows import recovery
from flows.recovery import (
    Store,
    await_store,
    check_used_by,
    empty_store,
    finish_store,
    label_store,
    make_store,
    open_store,
    stay_empty,
    store_size,
)

PARTITIONS = 4
"""More than one, so that one can be missing."""


@pytest.fixture(autouse=True)
def partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "PARTITIONS", PARTITIONS)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    make_store(tmp_path)
    return tmp_path


def use(folder: Path, flow_id: str) -> None:
    """Run a flow on the store, so that it holds its state."""
    flow = Dataflow(flow_id)
    counted = op.count_final("count", op.input("in", flow, TestingSource(["a", "b", "a"])), lambda item: item)
    op.output("out", counted, TestingSink([]))
    run_main(flow, recovery_config=RecoveryConfig(str(folder)))


def test_a_new_store_belongs_to_nobody_and_is_empty(store: Path) -> None:
    assert open_store(store, flow_id="watch") == Store(store, None, has_state=False)
    assert len(list(store.glob("part-*.sqlite3"))) == PARTITIONS


def test_a_store_that_is_there_is_not_made_again(store: Path) -> None:
    use(store, "watch")
    make_store(store)
    assert open_store(store, flow_id="watch").has_state


def cut_off_after(partitions: int, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next making of a store end as by a kill, with so many partitions made and one begun."""

    def cut_off(folder: Path, count: int) -> None:
        for number in range(partitions):
            shutil.copy(whole / f"part-{number}.sqlite3", folder)
        (folder / f"part-{partitions}.sqlite3").touch()
        raise KeyboardInterrupt

    whole.mkdir()
    init_db_dir(whole, PARTITIONS)
    monkeypatch.setattr(recovery, "init_db_dir", cut_off)


@pytest.mark.parametrize("finish", [make_store, finish_store])
def test_a_store_whose_making_was_cut_off_is_made_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finish: Callable[[Path], None]
) -> None:
    with monkeypatch.context() as patch:
        cut_off_after(2, tmp_path / "whole", patch)
        with pytest.raises(KeyboardInterrupt):
            make_store(tmp_path)
    with pytest.raises(ConfigError, match="being made, or that was cut off"):
        open_store(tmp_path, flow_id="watch")
    finish(tmp_path)
    assert open_store(tmp_path, flow_id="watch") == Store(tmp_path, None, has_state=False)


def test_a_store_whose_emptying_was_cut_off_keeps_its_label_and_its_partitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init_db_dir(tmp_path, 3)
    label_store(tmp_path, job_id="one", run_id="1", generation=2)
    use(tmp_path, "watch")
    with monkeypatch.context() as patch:
        cut_off_after(1, tmp_path / "whole", patch)
        with pytest.raises(KeyboardInterrupt):
            empty_store(open_store(tmp_path, flow_id="watch"))
    finish_store(tmp_path)
    assert open_store(tmp_path, flow_id="watch") == Store(tmp_path, "one", has_state=False, generation=2)
    assert len(list(tmp_path.glob("part-*.sqlite3"))) == 3


def test_a_label_says_whose_it_is_and_a_later_one_replaces_it(store: Path) -> None:
    label_store(store, job_id="one", run_id="1")
    label_store(store, job_id="two", run_id="2")
    assert open_store(store, flow_id="watch").job_id == "two"
    assert [path.name for path in store.iterdir() if "dbwatch" in path.name] == ["dbwatch.json"]


def test_the_state_of_another_flow_is_not_taken_for_ours(store: Path) -> None:
    use(store, "other")
    with pytest.raises(
        ConfigError, match="holds the state of the flow 'other', expected that of 'watch'; name another"
    ):
        open_store(store, flow_id="watch")


def lack_a_part(folder: Path) -> None:
    (folder / "part-3.sqlite3").unlink()


def cut_a_part(folder: Path) -> None:
    part = folder / "part-0.sqlite3"
    part.write_bytes(part.read_bytes()[:10_000])


def empty_a_part(folder: Path) -> None:
    (folder / "part-0.sqlite3").write_bytes(b"")


def lose_the_count(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "part-0.sqlite3")) as db:
        db.execute("DELETE FROM parts")
        db.commit()


def label_of_a_later_format(folder: Path) -> None:
    (folder / "dbwatch.json").write_text(json.dumps({"format": 99, "job": "x"}))


def label_of_an_earlier_format(folder: Path) -> None:
    (folder / "dbwatch.json").write_text(json.dumps({"format": 2, "job": "x", "generation": 1, "run": "y"}))


def label_that_is_none(folder: Path) -> None:
    (folder / "dbwatch.json").write_text("{")


def label_that_lacks_its_job(folder: Path) -> None:
    (folder / "dbwatch.json").write_text(json.dumps({"format": 3}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lack_a_part, f"part-0.sqlite3 expects {PARTITIONS} partition files, found {PARTITIONS - 1}; restore the rest"),
        (cut_a_part, "part-0.sqlite3 cannot be read as a recovery partition .*; restore it from a copy"),
        (empty_a_part, "part-0.sqlite3 cannot be read as a recovery partition"),
        (lose_the_count, "part-0.sqlite3 cannot be read as a recovery partition"),
        (label_of_a_later_format, "its format is 99, this version reads 3; use the version that wrote it"),
        (
            label_of_an_earlier_format,
            "its format is 2, this version reads 3; .*, or name a new folder",
        ),
        (label_that_is_none, "dbwatch.json cannot be read .*; restore or delete it"),
        (label_that_lacks_its_job, "dbwatch.json cannot be read"),
    ],
)
def test_a_damaged_store_is_named_with_what_to_do(store: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(store)
    with pytest.raises(ConfigError, match=f"^recovery folder {store}: {said}"):
        open_store(store, flow_id="watch")


def test_a_missing_store_is_not_made_by_looking_at_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected part-\*.sqlite3 files, found none; make it with"):
        open_store(tmp_path / "none", flow_id="watch")
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be made: .*; name another one"):
        make_store(tmp_path / "file" / "recovery")


def test_who_waits_for_a_store_goes_on_when_another_has_made_it(tmp_path: Path) -> None:
    maker = threading.Timer(0.05, make_store, [tmp_path / "recovery"])
    maker.start()
    await_store(tmp_path / "recovery", flow_id="watch", timeout_s=20)
    maker.join()


def test_who_waits_in_vain_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found none"):
        await_store(tmp_path / "recovery", flow_id="watch", timeout_s=0)


def test_a_store_that_another_run_has_taken_over_is_left_alone(tmp_path: Path) -> None:
    check_used_by(tmp_path, run_id="1")
    label_store(tmp_path, job_id="one", run_id="1")
    check_used_by(tmp_path, run_id="1")
    label_store(tmp_path, job_id="one", run_id="2")
    with pytest.raises(Fenced, match=rf"another job has taken over, process {os.getpid()} on "):
        check_used_by(tmp_path, run_id="1")


def test_a_process_whose_store_is_elsewhere_has_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "recovery"
    stay_empty(folder)
    stay_empty(folder)
    assert not list(folder.iterdir())
    init_db_dir(folder, 2)
    with pytest.raises(ConfigError, match="expected an empty folder, since process 0 keeps the store"):
        stay_empty(folder)


def test_a_store_has_large_pages_and_is_in_the_journal_mode_in_which_several_processes_can_open_it(
    tmp_path: Path,
) -> None:
    make_store(tmp_path / "store")
    parts = list((tmp_path / "store").glob("part-*.sqlite3"))
    assert parts
    for part in parts:
        with closing(sqlite3.connect(part)) as db:
            assert db.execute("PRAGMA page_size").fetchone() == (32768,)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_size_of_a_store_is_that_of_its_partitions(tmp_path: Path) -> None:
    assert store_size(tmp_path) is None
    assert store_size(tmp_path / "missing") is None
    make_store(tmp_path)
    (tmp_path / "dbwatch.json").write_text("x" * 1000, "utf-8")
    (tmp_path / "part-0.sqlite3-wal").write_bytes(b"x" * 100)
    assert store_size(tmp_path) == sum(file.stat().st_size for file in tmp_path.glob("*.sqlite3")) + 100
