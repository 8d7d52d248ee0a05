"""A job that cannot simply go on reads the collections again, and the feed gets only what differs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo import MongoClient

from connectors.redis_client import connect
from tests.acceptance.oracle import Document, batch_join, differences
from tests.acceptance.processes import DBWATCH, VIEWS, Cluster, Job, free_addresses
from tests.acceptance.test_watch import Settings, engine, expect_no_differences, read_feed, streams
from tests.acceptance.workload import COLLECTIONS, Workload
from tests.conftest import StartRedis, wait_until
from tests.connectors.bare_mongod import bare_mongod, initiate


def tail_is_saved(job: Job) -> bool:
    """Whether the run that was begun last is past its snapshot, which could not be read again after another drop."""
    begun = [line for line in job.output().splitlines() if '"event": "job.' in line]
    if not begun:
        return False
    age_s = datetime.now(UTC) - datetime.fromisoformat(json.loads(begun[-1])["timestamp"])
    return age_s > timedelta(seconds=6)


@pytest.mark.parametrize(
    ("how", "names"),
    [
        pytest.param("drop", ("movies",), id="drop", marks=pytest.mark.soak),
        pytest.param("rename", ("comments",), id="rename", marks=pytest.mark.soak),
        pytest.param("dropDatabase", COLLECTIONS, id="dropDatabase"),
    ],
)
def test_rows_of_a_removed_collection_are_deleted_and_nothing_else_is_told_twice(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path, how: str, names: tuple[str, ...]
) -> None:
    workload = Workload(mongo, settings["MONGO_DB"], 11)
    snapshot = workload.fill(150)
    rnd = random.Random(11)
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        job.start()
        wait_until(lambda: read_feed(settings["REDIS_URL"], streams(settings)), 30, what="the first record")
        for at in range(600):
            workload.step()
            if at in (200, 203, 400):
                workload.remove(*names, how=how)
            if rnd.random() < 0.005 and tail_is_saved(job):
                job.kill()
                job.start()
        expect_no_differences(mongo, settings, workload, snapshot, job)
        assert job.output().count('"event": "job.reads_again"') >= 2
        assert job.stop() == 0


def faults_of(settings: Settings, mongo: MongoClient[Document]) -> list[str]:
    """What is wrong with the feed when changes may lack a record of their own: its order, or the last of a row."""
    feed = read_feed(settings["REDIS_URL"], streams(settings))
    joined = batch_join(mongo, settings["MONGO_DB"])
    return [
        line
        for line in differences(feed, joined, {}, snapshot=frozenset())
        if "records without cause" not in line and "snapshot rows" not in line
    ]


def expect_no_faults(settings: Settings, mongo: MongoClient[Document], job: Job) -> None:
    wait_until(lambda: not job.running or not faults_of(settings, mongo), 30)
    assert job.running, job.output()


@pytest.fixture
def forgetful_mongod(tmp_path: Path) -> Generator[str]:
    """A server that keeps a megabyte or so of changes, and old versions for no longer than it must."""
    arguments = ("--oplogSize", "1", "--syncdelay", "1", "--setParameter", "minSnapshotHistoryWindowInSeconds=5")
    folder = tmp_path / "mongod"
    folder.mkdir()
    with bare_mongod(folder, "--replSet", "rs0", *arguments) as port:
        yield initiate(port)


def forget(mongo: MongoClient[Document]) -> None:
    """Let the oplog lose everything that is in it."""
    newest = next(mongo.local["oplog.rs"].find().sort("$natural", -1))

    def forgotten() -> bool:
        mongo["another"].filler.insert_many([{"text": "x" * 100_000} for _ in range(10)])
        oldest = mongo.local["oplog.rs"].find_one()
        return oldest is not None and oldest["ts"] > newest["ts"]

    wait_until(forgotten, 30, what="the oplog forgets")


@pytest.mark.parametrize("partitions", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_lost_history_stops_the_job_or_is_made_up_for_by_what_differs(
    forgetful_mongod: str, redis_url: str, prefix: str, tmp_path: Path, partitions: int
) -> None:
    settings = {"MONGO_URI": forgetful_mongod, "MONGO_DB": "shop", "REDIS_URL": redis_url, "DBWATCH_PREFIX": prefix}
    settings["DBWATCH_MONGO_PARTITIONS"] = str(partitions)
    with MongoClient[Document](forgetful_mongod) as mongo:
        workload = Workload(mongo, "shop", 12)
        workload.fill(150)
        with Job(tmp_path, settings, engine(tmp_path)) as job:
            job.start()
            expect_no_faults(settings, mongo, job)
            assert job.stop() == 0
            before = read_feed(redis_url, streams(settings))
            for _ in range(60):
                workload.step()
            workload.remove_some("comments", 5)
            forget(mongo)
            job.start()
            assert job.wait() == 2
            assert re.search(
                r"missing are the changes from 20\S+ \(position \w+\) to 20\S+ \(position \w+\)", job.output()
            )
            assert 'set on_history_lost = "resnapshot"' in job.output()
            assert read_feed(redis_url, streams(settings)) == before
            (tmp_path / "dbwatch.toml").write_text(f'on_history_lost = "resnapshot"\n{VIEWS}', encoding="utf-8")
            job.start()
            expect_no_faults(settings, mongo, job)
            after = read_feed(redis_url, streams(settings))[len(before) :]
            assert {entry.fields["op"] for entry in after} >= {"d"}
            assert all(entry.json("before") != entry.json("after") for entry in after)
            for _ in range(60):
                workload.step()
            expect_no_faults(settings, mongo, job)
            assert job.stop() == 0


@pytest.mark.parametrize("forgets", ["its last seconds", pytest.param("everything", marks=pytest.mark.soak)])
def test_entries_that_redis_lost_stop_the_job_or_are_written_again(
    mongo: MongoClient[Document],
    mongo_uri: str,
    mongo_db: str,
    start_redis: StartRedis,
    tmp_path: Path,
    forgets: str,
) -> None:
    server = start_redis(extra_args=("--appendonly", "no"), folder=tmp_path / "redis")
    settings = {"MONGO_URI": mongo_uri, "MONGO_DB": mongo_db, "REDIS_URL": server.uri, "DBWATCH_PREFIX": "p"}
    workload = Workload(mongo, mongo_db, 13)
    workload.fill(150)
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        job.start()
        expect_no_faults(settings, mongo, job)
        with connect(server.uri) as client:
            if forgets == "its last seconds":
                client.save()
        for _ in range(60):
            workload.step()
        expect_no_faults(settings, mongo, job)
        assert job.stop() == 0
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server = start_redis(extra_args=("--appendonly", "no"), folder=tmp_path / "redis")
        settings["REDIS_URL"] = job.env["REDIS_URL"] = server.uri
        job.start()
        assert job.wait() == 2
        assert "Redis lost" in job.output()
        (tmp_path / "dbwatch.toml").write_text(f'on_stream_lost = "repair"\n{VIEWS}', encoding="utf-8")
        before = read_feed(server.uri, streams(settings))
        job.start()
        expect_no_faults(settings, mongo, job)
        repaired = read_feed(server.uri, streams(settings))[len(before) :]
        assert repaired
        assert len({entry.row_key for entry in repaired}) == len(repaired), "one record says what a row is now"
        counted = Counter(workload.changes)
        for _ in range(60):
            workload.step()
        expect_no_faults(settings, mongo, job)
        later = read_feed(server.uri, streams(settings))[len(before) + len(repaired) :]
        own = Counter(entry.row_key for entry in later if "cause" not in entry.fields)
        assert own == workload.changes - counted, "each later change has one record"
        assert job.stop() == 0


def test_a_cluster_reads_again_as_one_job(mongo: MongoClient[Document], settings: Settings, tmp_path: Path) -> None:
    settings |= {"DBWATCH_MONGO_PARTITIONS": "2", "DBWATCH_STREAM_SHARDS": "2"}
    workload = Workload(mongo, settings["MONGO_DB"], 14)
    snapshot = workload.fill(150)
    command = [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-s", "1", "-a", ";".join(free_addresses(2))]
    folders = [tmp_path / "0", tmp_path / "1"]
    with ExitStack() as stack:
        for folder in folders:
            folder.mkdir()
        jobs = [stack.enter_context(Job(f, settings, [*command, "-i", str(i)])) for i, f in enumerate(folders)]
        cluster = Cluster(jobs)
        cluster.start()
        wait_until(lambda: read_feed(settings["REDIS_URL"], streams(settings)), 30, what="the first record")
        for at in range(300):
            workload.step()
            if at == 150:
                workload.remove("users", how="drop")
        expect_no_differences(mongo, settings, workload, snapshot, cluster)
        assert "job.reads_again" in jobs[0].output()
        assert cluster.stop() == [0, 0]


def test_a_stream_that_vanishes_beside_an_idle_job_is_written_again_without_being_asked(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    workload = Workload(mongo, settings["MONGO_DB"], 15)
    workload.fill(100)
    (tmp_path / "dbwatch.toml").write_text(f'on_stream_lost = "repair"\n{VIEWS}', encoding="utf-8")
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        job.start()
        expect_no_faults(settings, mongo, job)
        time.sleep(3)  # a few checkpoints with nothing to write
        with connect(settings["REDIS_URL"]) as client:
            client.delete(*streams(settings))
        expect_no_faults(settings, mongo, job)
        assert job.stop() == 0
