"""The end of one process of a cluster is the end of all, by real processes on real servers."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.acceptance.oracle import Document, read_feed
from tests.acceptance.processes import DBWATCH, Cluster, Job, free_addresses
from tests.acceptance.test_watch import Settings, expect_no_differences, streams
from tests.acceptance.workload import Workload
from tests.conftest import wait_until


@pytest.fixture
def jobs(settings: Settings, tmp_path: Path) -> Generator[list[Job]]:
    """The two processes of a cluster, not yet started."""
    settings |= {"DBWATCH_MONGO_PARTITIONS": "2", "DBWATCH_STREAM_SHARDS": "2"}
    addresses = ";".join(free_addresses(2))
    command = [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-s", "1", "-b", "0", "-a", addresses]
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        yield [stack.enter_context(Job(f, settings, [*command, "-i", str(i)])) for i, f in enumerate(folders)]


class World:
    """A running cluster whose feed has begun, and what it must hold."""

    def __init__(self, mongo: MongoClient[Document], settings: Settings, jobs: list[Job]) -> None:
        self._mongo = mongo
        self._settings = settings
        self._jobs = jobs
        self.workload = Workload(mongo, settings["MONGO_DB"], 21)
        self._snapshot = self.workload.fill(100)
        self.start()

    def start(self) -> None:
        Cluster(self._jobs).start()
        wait_until(self._has_begun, 30, what="the first record")
        self.work()
        self.expect_all()

    def _has_begun(self) -> bool:
        return bool(read_feed(self._settings["REDIS_URL"], streams(self._settings)))

    def work(self) -> None:
        for _ in range(40):
            self.workload.step()

    def expect_all(self) -> None:
        expect_no_differences(self._mongo, self._settings, self.workload, self._snapshot, Cluster(self._jobs))


@pytest.fixture
def world(mongo: MongoClient[Document], settings: Settings, jobs: list[Job]) -> World:
    return World(mongo, settings, jobs)


def error_of(job: Job) -> str:
    return next(line for line in job.output().splitlines() if line.startswith("dbwatch: error: "))


@pytest.mark.parametrize("which", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_a_signal_to_one_process_stops_all_in_order(world: World, jobs: list[Job], which: int) -> None:
    world.work()
    jobs[which].send(signal.SIGTERM)
    assert [job.wait() for job in jobs] == [0, 0], [job.output() for job in jobs]
    assert all('"event": "job.stopped"' in job.output() for job in jobs)
    assert '"because": "another process of the job ends"' in jobs[1 - which].output()
    world.start()  # goes on from the last snapshot


@pytest.mark.parametrize("which", [pytest.param(0, marks=pytest.mark.soak), 1])
def test_a_process_that_dies_ends_the_others_which_say_so(world: World, jobs: list[Job], which: int) -> None:
    dead = jobs[which].pid
    jobs[which].kill()
    assert jobs[1 - which].wait() == 1
    assert f"process number {which} of the job has ended: process {dead} on " in error_of(jobs[1 - which])
    world.start()


def test_an_error_of_one_process_ends_all_with_its_status(world: World, jobs: list[Job], settings: Settings) -> None:
    assert Cluster(jobs).stop() == [0, 0]  # with a snapshot that knows of entries in both streams, else none are missed
    world.start()
    with Redis.from_url(settings["REDIS_URL"]) as client:
        client.delete(streams(settings)[1])
    world.work()
    assert [job.wait() for job in jobs] == [2, 2]
    own, heard = sorted(map(error_of, jobs), key=lambda line: "process number" in line)
    assert "Redis lost entries" in own
    assert "of the job has ended: " in heard
    assert "Redis lost entries" in heard


def test_a_process_that_waits_for_the_others_ends_at_once_when_it_is_asked_to(
    mongo: MongoClient[Document], settings: Settings, jobs: list[Job]
) -> None:
    Workload(mongo, settings["MONGO_DB"], 22).fill(10)
    jobs[0].start()
    wait_until(lambda: jobs[0].begun, 30)
    assert jobs[0].stop() == 0
    assert not read_feed(settings["REDIS_URL"], streams(settings))
