"""The job on real servers, held against a consumer that knows only the contract."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]
from pymongo import MongoClient

from tests.acceptance.oracle import SECRET, Document, batch_join, differences, read_feed
from tests.acceptance.processes import DBWATCH, ENGINE, Cluster, Job, free_addresses
from tests.acceptance.workload import Workload
from tests.conftest import REDIS_KINDS, comes_true, wait_until

Settings = dict[str, str]


def streams(settings: Settings) -> list[str]:
    shards = int(settings.get("DBWATCH_STREAM_SHARDS", "1"))
    prefix = settings["DBWATCH_PREFIX"]
    return [f"{prefix}:changes"] if shards == 1 else [f"{prefix}:changes:{i}" for i in range(shards)]


def expect_no_differences(
    mongo: MongoClient[Document],
    settings: Settings,
    workload: Workload,
    snapshot: frozenset[tuple[str, str]],
    job: Job | Cluster,
) -> None:
    """Wait for the feed to settle, then list what is wrong."""
    joined = batch_join(mongo, settings["MONGO_DB"])
    bad: list[str] = []

    def check() -> bool:
        assert job.running, job.output()
        bad[:] = differences(
            read_feed(settings["REDIS_URL"], streams(settings)), joined, workload.changes, snapshot=snapshot
        )
        return not bad

    comes_true(check, 60)
    assert bad == []


def random_run(
    mongo: MongoClient[Document],
    settings: Settings,
    job: Job | Cluster,
    *,
    seed: int,
    steps: int,
    between: Callable[[random.Random], None],
    images: bool = True,
) -> None:
    rnd = random.Random(seed)
    workload = Workload(mongo, settings["MONGO_DB"], seed, images=images)
    snapshot = workload.fill(150)
    job.start()
    wait_until(lambda: read_feed(settings["REDIS_URL"], streams(settings)), 30, what="the first record")
    for _ in range(steps):
        workload.step()
        between(rnd)
    expect_no_differences(mongo, settings, workload, snapshot, job)


def engine(recovery: Path, *options: str) -> list[str]:
    init_db_dir(recovery, 4)
    return [*ENGINE, "-r", str(recovery), "-s", "1", "-b", "0", *options]


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_the_feed_equals_a_batch_join_and_the_job_ends_cleanly(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        random_run(mongo, settings, job, seed=1, steps=800, between=lambda _: None)
        assert job.stop(signal.SIGTERM) == 0
        assert "Traceback" not in job.output()
    assert not [f for f in tmp_path.iterdir() if SECRET.encode() in f.read_bytes()]


@pytest.mark.parametrize(
    ("seed", "images"),
    [pytest.param(2, True, id="images"), pytest.param(3, False, id="no images", marks=pytest.mark.soak)],
)
def test_kills_at_random_moments_leave_every_change_exactly_once(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path, seed: int, *, images: bool
) -> None:
    kills: list[float] = []
    with Job(tmp_path, settings, engine(tmp_path)) as job:

        def crash_now_and_then(rnd: random.Random) -> None:
            if rnd.random() < 0.004:
                time.sleep(rnd.random() * 2)  # somewhere in an epoch, or before the first record
                job.kill()
                kills.append(time.monotonic())
                job.start()

        random_run(mongo, settings, job, seed=seed, steps=1500, between=crash_now_and_then, images=images)
    assert len(kills) > 1


def test_a_stop_and_a_start_in_turn_leave_every_change_exactly_once(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    command = [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-s", "1"]
    with Job(tmp_path, settings, command) as job:

        def restart_now_and_then(rnd: random.Random) -> None:
            if rnd.random() < 0.004:
                wait_until(lambda: job.begun, 20)
                assert job.stop(rnd.choice([signal.SIGINT, signal.SIGTERM])) == 0
                job.start()

        random_run(mongo, settings, job, seed=4, steps=800, between=restart_now_and_then)


def test_several_workers_partitions_and_shards_give_the_same_feed(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    settings |= {"DBWATCH_MONGO_PARTITIONS": "3", "DBWATCH_STREAM_SHARDS": "2"}
    with Job(tmp_path, settings, engine(tmp_path, "-w", "3")) as job:
        random_run(mongo, settings, job, seed=5, steps=800, between=lambda _: None)
        assert job.stop() == 0


def test_collections_without_images_end_in_the_same_rows(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        random_run(mongo, settings, job, seed=6, steps=500, between=lambda _: None, images=False)


def test_a_cluster_of_two_processes_is_exact_through_kills_and_ends_cleanly(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    settings |= {"DBWATCH_MONGO_PARTITIONS": "2", "DBWATCH_STREAM_SHARDS": "2"}
    addresses = ";".join(free_addresses(2))
    command = [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-s", "1", "-b", "0", "-a", addresses]
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        jobs = [stack.enter_context(Job(f, settings, [*command, "-i", str(i)])) for i, f in enumerate(folders)]
        cluster = Cluster(jobs)

        def crash_now_and_then(rnd: random.Random) -> None:
            if rnd.random() < 0.004:
                cluster.kill()
                cluster.start()

        random_run(mongo, settings, cluster, seed=7, steps=600, between=crash_now_and_then)
        assert cluster.stop() == [0, 0]


@pytest.mark.parametrize(("workers", "partitions"), [(1, 1), (3, 2)])
def test_a_snapshot_row_is_joined_with_what_is_there_at_once(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path, workers: int, partitions: int
) -> None:
    settings |= {"DBWATCH_MONGO_PARTITIONS": str(partitions)}
    snapshot = Workload(mongo, settings["MONGO_DB"], 8).fill(300)
    with Job(tmp_path, settings, engine(tmp_path, "-w", str(workers))) as job:
        job.start()
        wait_until(lambda: len(read_feed(settings["REDIS_URL"], streams(settings))) >= len(snapshot), 30)
        feed = read_feed(settings["REDIS_URL"], streams(settings))
        assert {entry.fields["op"] for entry in feed} == {"r"}
        joined = batch_join(mongo, settings["MONGO_DB"])
        assert {entry.row_key: entry.json("after") for entry in feed} == joined
