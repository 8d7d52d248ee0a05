"""The simulator against a real database."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from connectors.ending import Ending
from dbwatch.cli import run
from dbwatch.fill import Sizes, fill
from dbwatch.load import DEFAULT_MIX, parse_mix
from dbwatch.progress import ProgressLine
from dbwatch.simulate import run_load, run_story
from tests.conftest import wait_until
from tests.dbwatch.memory import quietly


@pytest.fixture
def db(mongo: MongoClient[dict[str, Any]], mongo_db: str) -> Database[dict[str, Any]]:
    fill(mongo, mongo_db, sizes=Sizes(60, 20, 300), seed=1, progress=quietly)
    return mongo[mongo_db]


@pytest.fixture
def settings(mongo_uri: str, mongo_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URI", mongo_uri)
    monkeypatch.setenv("MONGO_DB", mongo_db)


def test_the_story_is_written_as_it_is_told(db: Database[dict[str, Any]]) -> None:
    ending = Ending()
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if len(lines) == 9:
            ending.request()

    done = run_story(db, ending, seed=1, speed=1000, tell=tell)
    assert len(lines) == 9
    assert done.writes >= 9
    assert db.movies.count_documents({}) == 61
    assert db.users.count_documents({}) == 22


def test_a_load_makes_as_many_writes_as_rate_and_duration_say(db: Database[dict[str, Any]]) -> None:
    with db.watch() as changes:
        done = run_load(
            db,
            Ending(),
            rate_per_s=200,
            mix=parse_mix(DEFAULT_MIX),
            seed=1,
            duration_s=1.0,
            progress=ProgressLine(),
        )
        seen = 0
        while changes.try_next() is not None:
            seen += 1
    assert done.writes + done.missed == 200
    assert seen == done.writes
    assert 0.9 < done.elapsed_s < 5


def test_a_load_ends_when_asked(db: Database[dict[str, Any]]) -> None:
    ending = Ending()
    threading.Timer(0.3, ending.request).start()
    done = run_load(
        db, ending, rate_per_s=100, mix=parse_mix(DEFAULT_MIX), seed=1, duration_s=None, progress=ProgressLine()
    )
    assert done.writes > 0


@pytest.mark.usefixtures("db", "settings")
@pytest.mark.parametrize("arguments", [[], ["--rate", "50"]])
def test_ctrl_c_ends_it_with_a_summary_and_status_0(arguments: list[str], db: Database[dict[str, Any]]) -> None:
    before = db.comments.count_documents({})
    command = [sys.executable, "-m", "dbwatch", "simulate", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: db.comments.count_documents({}) != before, 20)
        process.send_signal(signal.SIGINT)
        _out, told = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.search(r"[\d,]+ writes in [\d.]+ s \([\d.,]+/s\): \d+ inserts, \d+ updates, \d+ deletes\n$", told)


@pytest.mark.usefixtures("settings")
def test_a_load_without_rows_says_how_to_get_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--rate", "10", "--duration", "1s"]) == 2
    assert "fill them with `dbwatch sample`" in capsys.readouterr().err


def test_wrong_options_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--mix", "insert=1"]) == 2
    assert run(["simulate", "--duration", "soon"]) == 2
    assert run(["simulate", "--rate", "0"]) == 2
    assert "Traceback" not in capsys.readouterr().err
