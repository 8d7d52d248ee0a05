"""`dbwatch snapshot`, on stores that the engine has written."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from dbwatch.cli import run
from tests.flows import stores
from tests.flows.test_saving import prepared


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores.write(prepared(tmp_path / "recovery"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())


def snapshot(*args: str) -> int:
    return run(["snapshot", *args])


def test_one_is_saved_under_a_name_by_the_time_which_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshot("save") == 0
    said = capsys.readouterr()
    (found,) = Path("snapshots").iterdir()
    assert said.out == f"{found.name}\n"
    assert "saved in " in said.err


def test_the_list_says_what_there_is_and_marks_a_damaged_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshot("list") == 0
    assert capsys.readouterr().err == "no snapshots in snapshots; `dbwatch snapshot save` makes one\n"
    assert snapshot("save", "one") == snapshot("save", "two", "-r", "recovery", "--into", "snapshots") == 0
    os.truncate("snapshots/one/part-0.sqlite3", 5)
    capsys.readouterr()
    assert snapshot("list") == 0
    head, two, one = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "SAVED", "GOES", "UP", "TO", "SIZE", "VERSION", "JOB"]
    assert two.startswith("two ")
    assert two.endswith("0.9      job generation 3")
    assert one.startswith("one   damaged: part-0.sqlite3: expected ")
    assert snapshot("list", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["name"], line["damaged"] is None) for line in lines] == [("two", True), ("one", False)]


def test_all_of_one_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshot("save", "one") == 0
    capsys.readouterr()
    assert snapshot("show", "one") == 0
    shown = capsys.readouterr().out
    assert "source      tail-1: position 6561f0c00000000a\n" in shown
    assert "made for    mongo_db = films\n" in shown
    assert snapshot("show", "one", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["position"] == "6561f0c00000000a"
    assert found["job_id"] == "job"


def test_one_is_removed_once_that_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshot("save", "one") == 0
    assert snapshot("drop", "one") == 2
    assert "nobody can be asked here; give --yes to remove it" in capsys.readouterr().err
    assert Path("snapshots/one").exists()
    assert snapshot("drop", "one", "--yes") == 0
    assert not Path("snapshots/one").exists()
    assert snapshot("drop", "one", "--yes") == 2
    assert "snapshot one: not found in snapshots; there is none" in capsys.readouterr().err


@pytest.mark.parametrize("args", [("save", "a/b"), ("save", "-r", "nope"), ("show", "x"), ("show", "..")])
def test_bad_input_is_one_line_and_status_2(args: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshot(*args) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dbwatch: error: ")
