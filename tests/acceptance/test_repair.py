"""`dbwatch verify --repair` on real servers, after the real job."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.acceptance.oracle import Document, Entry, batch_join, key_of
from tests.acceptance.processes import DBWATCH
from tests.acceptance.test_verify import Scene, scene
from tests.acceptance.test_watch import streams
from tests.conftest import wait_until

__all__ = ["scene"]  # a fixture


def repair(scene: Scene, folder: Path) -> tuple[int, list[dict[str, Any]], str]:
    """The exit status, the reports before and after, and what was said on stderr."""
    command = [*DBWATCH, "verify", "--json", "--repair", "-r", str(folder)]
    done = subprocess.run(command, env=scene.job.env, capture_output=True, text=True, timeout=100)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def last_rows(entries: list[Entry]) -> dict[tuple[str, str], Any]:
    last = {entry.row_key: entry.json("after") for entry in entries}
    return {key: row for key, row in last.items() if row is not None}


def test_what_differs_is_written_once_and_the_job_goes_on_after_it(
    scene: Scene, mongo: MongoClient[Document], tmp_path: Path
) -> None:
    scene.workload.fill(200)
    scene.db["comments"].insert_many([{"_id": f"kept {n}", "text": str(n)} for n in range(4)])
    scene.follow()
    (stream,) = streams(scene.settings)
    key = {n: key_of(f"kept {n}") for n in range(4)}
    last = {entry.row_key: entry for entry in scene.feed()}
    missing, stale = last["comments", key[0]], last["comments", key[1]]
    scene.redis.xdel(stream, missing.id)
    scene.redis.xadd(stream, {**stale.fields, "after": json.dumps({**stale.json("after"), "text": "wrong"})})
    extra = {**stale.fields, "key": key_of("never was"), "after": json.dumps({"_id": "never was"})}
    scene.redis.xadd(stream, {**extra})
    before = len(scene.feed())

    status, reports, err = repair(scene, tmp_path / "recovery")
    assert status == 0, err
    assert [report["drift"] for report in reports] == [3, 0]
    written = scene.feed()[before:]
    assert {(entry.row_key[1], entry.fields["op"]) for entry in written} == {
        (key[0], "r"),
        (key[1], "r"),
        (extra["key"], "d"),
    }
    assert len(written) == 3

    scene.db["comments"].update_one({"_id": "kept 2"}, {"$set": {"text": "after the repair"}})
    scene.follow()
    assert len(scene.feed()) == before + 4
    assert last_rows(scene.feed()) == batch_join(mongo, scene.settings["MONGO_DB"])
    assert repair(scene, tmp_path / "recovery")[0] == 0
    assert len(scene.feed()) == before + 4


def test_while_a_job_runs_a_repair_is_refused_and_the_job_is_named(scene: Scene, tmp_path: Path) -> None:
    scene.workload.fill(20)
    scene.job.start()
    wait_until(scene.feed, 30, what="the first record")
    status, reports, err = repair(scene, tmp_path / "recovery")
    assert (status, reports) == (2, [])
    assert "another job writes here already" in err
    assert scene.job.running


def test_a_repair_needs_the_jobs_own_folder(scene: Scene, tmp_path: Path) -> None:
    scene.workload.fill(20)
    status, _, err = repair(scene, tmp_path / "recovery")
    assert (status, "there is nothing to repair" in err) == (2, True), err
    scene.follow()
    status, _, err = repair(scene, tmp_path / "another")
    assert (status, err.count("\n")) == (2, 1), err
    assert str(tmp_path / "another") in err
