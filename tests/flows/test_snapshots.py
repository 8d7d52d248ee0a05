"""Snapshots that are there: found, listed, dropped, and told to be damaged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.errors import ConfigError
from flows.recovery import label_store
from flows.snapshots import (
    META,
    Damaged,
    Reached,
    Snapshot,
    check_name,
    default_name,
    drop_snapshot,
    find_snapshot,
    list_snapshots,
    meta_text,
    to_json,
)


def made(root: Path, name: str, *, saved_ms: int = 1) -> Snapshot:
    folder = root / name
    folder.mkdir(parents=True)
    label_store(folder, job_id="job", run_id="")
    (folder / "part-0.sqlite3").write_bytes(b"x" * 100)
    reached = {"tail-0": Reached("6561f0c000000002", "tail", "c", 9), "tail-1": Reached("6561f0c000000001", "tail")}
    snapshot = Snapshot(folder, "watch", "1.0", 3, "job", 1, 5, reached, {"views": "v"}, saved_ms, {})
    snapshot = snapshot._replace(files={"part-0.sqlite3": 100})
    (folder / META).write_text(meta_text(snapshot))
    return snapshot


def test_what_was_written_down_is_read(tmp_path: Path) -> None:
    snapshot = made(tmp_path, "one")
    assert find_snapshot(tmp_path, "one") == snapshot
    found = to_json(snapshot)
    assert (found["name"], found["position"], found["size"]) == ("one", "6561f0c000000001", 100)
    assert found["position_ms"] == 0x6561F0C0 * 1000
    assert found["partitions"]["tail-0"] == {
        "position": "6561f0c000000002",
        "phase": "tail",
        "chapter": "c",
        "seq": 9,
    }


def test_they_are_listed_by_age_with_the_damaged_ones_last(tmp_path: Path) -> None:
    for name, saved_ms in (("b", 3), ("a", 2), ("z", 1), ("m", 0)):
        made(tmp_path, name, saved_ms=saved_ms)
    (tmp_path / "m" / META).unlink()
    (tmp_path / "a file").touch()
    assert [found.name for found in list_snapshots(tmp_path)] == ["z", "a", "b", "m"]


def test_where_no_folder_is_there_are_none(tmp_path: Path) -> None:
    assert list_snapshots(tmp_path / "none") == []


def cut_off(folder: Path) -> None:
    os.truncate(folder / "part-0.sqlite3", 50)


def without_part(folder: Path) -> None:
    (folder / "part-0.sqlite3").unlink()


def with_another_part(folder: Path) -> None:
    (folder / "part-1.sqlite3").touch()


def without_label(folder: Path) -> None:
    (folder / "dbwatch.json").unlink()


def without_meta(folder: Path) -> None:
    (folder / META).unlink()


def with_other(text: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / META).write_text(text)

    return spoil


def of_a_later_format(folder: Path) -> None:
    value = json.loads((folder / META).read_text())
    (folder / META).write_text(json.dumps(value | {"format": 2}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut_off, "part-0.sqlite3: expected 100 bytes, found 50: it is cut off, or a job has used it"),
        (without_part, "part-0.sqlite3 is missing"),
        (with_another_part, "part-1.sqlite3 is none of its files"),
        (without_label, "dbwatch.json is missing"),
        (without_meta, "snapshot.json is missing"),
        (with_other("{"), "snapshot.json cannot be read"),
        (with_other("[]"), "snapshot.json cannot be read"),
        (with_other('{"format": 1}'), "snapshot.json cannot be read .'flow'."),
        (of_a_later_format, "its format is 2, this version reads 1"),
    ],
)
def test_a_damaged_one_is_marked_in_the_list_and_refused_in_use(
    tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    made(tmp_path, "one")
    spoil(tmp_path / "one")
    with pytest.raises(ConfigError, match=says):
        find_snapshot(tmp_path, "one")
    (found,) = list_snapshots(tmp_path)
    assert isinstance(found, Damaged)
    drop_snapshot(tmp_path, "one")
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"snapshot x: not found in .*; there is none; `dbwatch snapshot save` makes"):
        find_snapshot(tmp_path, "x")
    made(tmp_path, "one")
    made(tmp_path, "two", saved_ms=2)
    for ask in (find_snapshot, drop_snapshot):
        with pytest.raises(ConfigError, match=r"snapshot x: not found in .*; there are: one, two"):
            ask(tmp_path, "x")


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "-r", "a/b", "../a", "a b", "ä", "a\n", "x" * 101])
def test_a_name_that_is_none_is_refused_before_anything_is_touched(tmp_path: Path, name: str) -> None:
    for ask in (find_snapshot, drop_snapshot):
        with pytest.raises(ConfigError, match="expected a name of up to 100 letters"):
            ask(tmp_path, name)


def test_the_name_by_time_is_a_name_and_sorts_by_time() -> None:
    names = [default_name(second) for second in (0, 1, 86_400 * 365)]
    assert names == ["1970-01-01T000000Z", "1970-01-01T000001Z", "1971-01-01T000000Z"]
    for name in names:
        check_name(name)
