"""`dbwatch verify` as people call it, on real servers and after the real job."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.acceptance.oracle import SECRET, Document, Entry, key_of, read_feed
from tests.acceptance.processes import DBWATCH, Job
from tests.acceptance.test_watch import streams
from tests.acceptance.workload import Workload
from tests.conftest import REDIS_KINDS, wait_until

Settings = dict[str, str]


class Outcome:
    """How a call of `dbwatch verify --json` ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.err = done.stderr
        self.report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}

    @property
    def differences(self) -> set[tuple[str, str, str]]:
        return {(d["view"], d["key"], d["kind"]) for d in self.report["differences"]}

    def count(self, kind: str) -> int:
        return sum(view[kind] for view in self.report["views"].values())


class Scene:
    """A database, a job that has written its feed, and the ways to look at them."""

    def __init__(self, mongo: MongoClient[Document], settings: Settings, folder: Path, *, seed: int) -> None:
        self.db = mongo[settings["MONGO_DB"]]
        self.settings = settings
        self.job = Job(folder, settings, [*DBWATCH, "run", "-r", str(folder / "recovery"), "-s", "1"])
        self.workload = Workload(mongo, settings["MONGO_DB"], seed)
        self.redis: Redis = Redis.from_url(settings["REDIS_URL"], decode_responses=True)

    def verify(self, *arguments: str) -> Outcome:
        command = [*DBWATCH, "verify", "--json", *arguments]
        return Outcome(subprocess.run(command, env=self.job.env, capture_output=True, text=True, timeout=100))

    def feed(self) -> list[Entry]:
        return read_feed(self.settings["REDIS_URL"], streams(self.settings))

    def follow(self) -> None:
        """Let a job write what there is, and stop it in order."""
        self.job.start()
        wait_until(lambda: self.job.begun, 30)
        assert self.verify("--timeout", "60").status == 0, self.job.output()
        assert self.job.stop() == 0, self.job.output()

    def last_of(self, view: str, *, op: str = "cur") -> Entry:
        """The last record of some key of a view, which holds a row."""
        last = {entry.row_key: entry for entry in self.feed()}
        return next(e for e in last.values() if e.row_key[0] == view and e.fields["op"] in op)


@pytest.fixture
def scene(mongo: MongoClient[Document], settings: Settings, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(mongo, settings, tmp_path, seed=21)
    with scene.job:
        yield scene
    scene.redis.close()


def test_no_drift_while_the_job_runs_and_the_database_changes(scene: Scene) -> None:
    scene.workload.fill(200)
    scene.job.start()
    wait_until(scene.feed, 30, what="the first record")
    ending = threading.Event()

    def write() -> None:
        while not ending.is_set():
            scene.workload.step()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        outcome = scene.verify()
    finally:
        ending.set()
        writer.join()
    assert (outcome.status, outcome.report["drift"]) == (0, 0)
    assert outcome.report["job"] == "running"
    assert outcome.report["views"]["comments"]["rows"] > 0
    calm = scene.verify()
    assert (calm.status, calm.count("changing")) == (0, 0)


@pytest.mark.parametrize(
    ("shards", "redis_kind"),
    [
        pytest.param(1, "valkey"),
        pytest.param(3, "redis"),
        pytest.param(1, "redis", marks=pytest.mark.soak),
        pytest.param(3, "valkey", marks=pytest.mark.soak),
    ],
)
def test_exactly_what_was_tampered_with_is_reported(scene: Scene, shards: int) -> None:
    scene.settings["DBWATCH_STREAM_SHARDS"] = scene.job.env["DBWATCH_STREAM_SHARDS"] = str(shards)
    scene.workload.fill(300)
    scene.db["comments"].insert_many([{"_id": f"kept {n}", "text": str(n)} for n in range(5)])
    scene.follow()

    def stream_of(entry: Entry) -> str:
        there = {s: cast("Any", scene.redis.xrange(s, entry.id, entry.id)) for s in streams(scene.settings)}
        return next(s for s, found in there.items() if found and found[0][1]["key"] == entry.fields["key"])

    key = {n: key_of(f"kept {n}") for n in range(5)}
    last = {entry.row_key: entry for entry in scene.feed()}
    missing, stale, resurrected = (last["comments", key[n]] for n in range(3))
    for entry in [e for e in scene.feed() if e.row_key == missing.row_key]:
        scene.redis.xdel(stream_of(entry), entry.id)
    wrong = {**stale.fields, "after": json.dumps({**stale.json("after"), "text": "wrong"})}
    scene.redis.xadd(stream_of(stale), {**wrong})
    gone = {k: v for k, v in resurrected.fields.items() if k != "after"} | {"op": "d"}
    scene.redis.xadd(stream_of(resurrected), {**gone})
    scene.db["comments"].delete_one({"_id": "kept 3"})
    scene.db["comments"].insert_one({"_id": "new", "text": "while the job was away"})
    scene.redis.xadd(streams(scene.settings)[0], {"schema": "1", "note": "not one of ours"})
    letter = scene.redis.xadd(
        f"{scene.settings['DBWATCH_PREFIX']}:deadletter", {"collection": "comments", "key": key[0]}
    )

    outcome = scene.verify()
    assert outcome.status == 1
    assert outcome.differences == {
        ("comments", key[0], "missing"),
        ("comments", key[1], "stale"),
        ("comments", key[2], "missing"),
        ("comments", key[3], "extra"),
        ("comments", key_of("new"), "missing"),
    }
    assert [d["paths"] for d in outcome.report["differences"] if d["kind"] == "stale"] == [["text"]]
    assert {d["key"]: d["letter"] for d in outcome.report["differences"] if d["letter"]} == {key[0]: letter}
    assert (outcome.report["drift"], outcome.report["strays"], outcome.report["job"]) == (5, 1, "stopped")
    assert SECRET not in json.dumps(outcome.report)


def test_a_changed_looked_up_row_makes_every_row_that_refers_to_it_stale(scene: Scene) -> None:
    scene.db["movies"].insert_one({"_id": "film", "title": "Heat"})
    scene.db["comments"].insert_many([{"_id": n, "movie_id": "film"} for n in range(7)])
    scene.follow()
    scene.db["movies"].update_one({"_id": "film"}, {"$set": {"title": "Cold", "votes": 1}})
    outcome = scene.verify("--view", "comments")
    assert {(d["kind"], *d["paths"]) for d in outcome.report["differences"]} == {("stale", "movie.title")}
    assert (outcome.status, outcome.count("stale"), set(outcome.report["views"])) == (1, 7, {"comments"})


def test_a_dropped_collection_leaves_extra_rows_until_a_job_has_heard_of_it(scene: Scene) -> None:
    scene.db["movies"].insert_many([{"_id": n} for n in range(3)])
    scene.follow()
    scene.db["movies"].drop()
    outcome = scene.verify()
    assert (outcome.status, outcome.count("extra"), outcome.report["drift"]) == (1, 3, 3)
    scene.follow()


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_rows_whose_records_were_trimmed_are_counted_apart(scene: Scene) -> None:
    scene.db["movies"].insert_many([{"_id": n, "title": str(n)} for n in range(500)])
    scene.follow()
    (stream,) = streams(scene.settings)
    scene.redis.xtrim(stream, maxlen=400, approximate=False)
    outcome = scene.verify()
    assert (outcome.status, outcome.count("trimmed"), outcome.report["drift"]) == (0, 100, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"DBWATCH_PREFIX": "nobody"}, "expected a feed to compare"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "no Redis answers"),
        ({"MONGO_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"}, "no answer from"),
        ({"DBWATCH_STREAM_SHARDS": "2"}, "with which this job began"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_status_2(scene: Scene, change: Settings, words: str) -> None:
    scene.workload.fill(10)
    job = {"job_id": "a", "dbwatch_stream_shards": "1"}
    scene.redis.hset(f"{scene.settings['DBWATCH_PREFIX']}:job", mapping={**job})
    scene.job.env.update(change)
    outcome = scene.verify()
    assert (outcome.status, outcome.err.count("\n")) == (2, 1), outcome.err
    assert words in outcome.err


@pytest.fixture
def held_up(scene: Scene) -> Iterator[None]:
    """A job that says each moment that it waits for Redis."""
    figures = {"state": "holding", "position": "0000000100000001", "holding_reason": "OOM"}
    health = f"{scene.settings['DBWATCH_PREFIX']}:health"
    scene.redis.xadd(streams(scene.settings)[0], {"a": "b"})
    ending = threading.Event()
    own: Redis = Redis.from_url(scene.settings["REDIS_URL"])  # so that no test sees a connection more for it

    def speak() -> None:
        at_ms = 0
        while not ending.wait(0.2):
            at_ms += 1
            own.hset(health, "0", json.dumps({**figures, "at_ms": at_ms}))

    speaker = threading.Thread(target=speak)
    speaker.start()
    wait_until(lambda: scene.redis.exists(health))
    yield
    ending.set()
    speaker.join()
    own.close()


def test_a_job_that_does_not_come_up_to_the_database_is_named(scene: Scene, held_up: None) -> None:
    scene.workload.fill(50)
    outcome = scene.verify("--timeout", "0.5")
    assert outcome.status == 2
    assert "in state holding (OOM)" in outcome.err


def test_an_interrupt_ends_it_at_once_and_leaves_no_file(scene: Scene, held_up: None, tmp_path: Path) -> None:
    scene.workload.fill(50)
    folder = tmp_path / "temporary"
    folder.mkdir()
    env = {**scene.job.env, "SQLITE_TMPDIR": str(folder)}
    before = cast("Any", scene.redis.info("clients"))["connected_clients"]
    process = subprocess.Popen([*DBWATCH, "verify"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: cast("Any", scene.redis.info("clients"))["connected_clients"] > before, 20)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert not list(folder.iterdir())
