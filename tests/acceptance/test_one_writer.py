"""One job writes under a prefix, by real processes on real servers, held against a consumer that knows only the
contract.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.acceptance.oracle import Document, read_feed
from tests.acceptance.processes import DBWATCH, Job
from tests.acceptance.test_watch import Settings, engine, expect_no_differences, streams
from tests.acceptance.workload import Workload
from tests.conftest import wait_until


@pytest.fixture
def first_folder(tmp_path: Path) -> Path:
    return make(tmp_path / "first")


@pytest.fixture
def workload(mongo: MongoClient[Document], settings: Settings) -> Workload:
    return Workload(mongo, settings["MONGO_DB"], 11)


@pytest.fixture
def snapshot(workload: Workload) -> frozenset[tuple[str, str]]:
    return workload.fill(100)


@pytest.fixture
def first(settings: Settings, first_folder: Path, snapshot: object) -> Generator[Job]:
    """A job that has read the collections."""
    recovery = make(first_folder / "recovery")
    with Job(first_folder, settings, engine(recovery)) as job:
        job.start()
        wait_until(lambda: read_feed(settings["REDIS_URL"], streams(settings)), 30, what="the first record")
        yield job


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def last_line(job: Job) -> str:
    return job.output().splitlines()[-1]


@pytest.mark.parametrize("kind", ["dbwatch", "engine"])
def test_a_second_job_is_refused_with_a_line_that_names_the_first(
    first: Job, settings: Settings, tmp_path: Path, kind: str
) -> None:
    folder = make(tmp_path / "second")
    recovery = make(folder / "recovery")
    command = engine(recovery) if kind == "engine" else [*DBWATCH, "run", "-r", str(recovery)]
    with Job(folder, settings, command) as second:
        second.start()
        began_s = time.monotonic()
        assert second.wait() == 2
        assert time.monotonic() - began_s < 20
        assert f"another job writes here already: process {first.pid} on " in last_line(second)
        assert last_line(second).startswith("dbwatch: error: ")
    assert first.running


def test_a_job_that_was_paused_and_replaced_writes_nothing_when_it_wakes(
    mongo: MongoClient[Document],
    first: Job,
    settings: Settings,
    workload: Workload,
    snapshot: frozenset[tuple[str, str]],
    tmp_path: Path,
) -> None:
    rnd = random.Random(12)
    for _ in range(30):
        workload.step()
    time.sleep(rnd.random())  # somewhere in an epoch
    first.send(signal.SIGSTOP)
    folder = make(tmp_path / "second")
    with Job(folder, settings, engine_without_making(first.folder / "recovery")) as second:
        second.start()
        for _ in range(30):
            workload.step()
        wait_until(lambda: '"event": "job.' in second.output() or not second.running, 40)
        assert '"event": "writer.waiting"' in second.output()
        expect_no_differences(mongo, settings, workload, snapshot, second)
        first.send(signal.SIGCONT)
        for _ in range(30):
            workload.step()
        assert first.wait() == 2
        assert f"another job has taken over, process {second.pid} on " in last_line(first)
        expect_no_differences(mongo, settings, workload, snapshot, second)
        second.kill()
        second.start()  # from the recovery folder, in which the first left nothing
        for _ in range(30):
            workload.step()
        expect_no_differences(mongo, settings, workload, snapshot, second)
        assert second.stop() == 0


def test_every_write_to_the_feed_carries_the_token_of_the_lock(
    first: Job, settings: Settings, workload: Workload
) -> None:
    with Redis.from_url(settings["REDIS_URL"], decode_responses=True) as client, client.monitor() as monitor:
        token = client.hget(f"{settings['DBWATCH_PREFIX']}:job", "writer")
        for _ in range(30):
            workload.step()
        commands = (str(cast("dict[str, Any]", seen)["command"]) for seen in monitor.listen())
        feed = f" {streams(settings)[0]} "
        write = next(command for command in commands if command.startswith("EVALSHA") and feed in command)
        assert f" {token} " in write


def test_a_job_that_was_paused_for_a_moment_goes_on_and_who_waited_is_refused_or_stopped(
    first: Job, settings: Settings, tmp_path: Path
) -> None:
    folder = make(tmp_path / "second")
    first.send(signal.SIGSTOP)
    with Job(folder, settings, engine_without_making(first.folder / "recovery")) as second:
        for end in ("stopped", "refused"):
            before = second.output().count('"event": "writer.waiting"')
            second.start()
            wait_until(lambda before=before: second.output().count('"event": "writer.waiting"') > before, 20)
            if end == "stopped":
                assert second.stop() == 0
            first.send(signal.SIGCONT if end == "refused" else signal.SIGSTOP)
        assert second.wait() == 2
        assert "another job writes here already" in last_line(second)
    assert first.running
    assert first.stop() == 0


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_that_has_ended_is_replaced_at_once(first: Job, settings: Settings, ending: int) -> None:
    first.send(ending)
    first.wait()
    first.start()
    wait_until(lambda: first.begun or not first.running, 30)
    assert '"event": "writer.waiting"' not in first.output()
    took_over = '"event": "writer.took_over"' in first.output()
    assert took_over == (ending == signal.SIGKILL)
    assert first.stop() == 0


@pytest.mark.parametrize("ending", [signal.SIGCONT, signal.SIGKILL])
def test_a_job_that_begins_anew_in_place_keeps_the_lock_unless_it_is_killed_then(
    mongo: MongoClient[Document], first: Job, settings: Settings, tmp_path: Path, ending: int
) -> None:
    health = f"{settings['DBWATCH_PREFIX']}:health"
    with Redis.from_url(settings["REDIS_URL"], decode_responses=True) as client:
        mongo[settings["MONGO_DB"]].drop_collection("movies")
        wait_until(lambda: '"stopped"' in str(client.hget(health, "0")), 30, what="the end of the first run")
    mongo[settings["MONGO_DB"]].create_collection("movies")  # which a new job must find
    first.send(signal.SIGSTOP)  # the next one takes a second or so until it can look at the lock
    folder = make(tmp_path / "second")
    with Job(folder, settings, engine(make(folder / "recovery"))) as second:
        second.start()
        wait_until(lambda: '"event": "writer.waiting"' in second.output() or second.begun or not second.running, 20)
        first.send(ending)
        if ending == signal.SIGCONT:
            assert second.wait() == 2
            assert f"another job writes here already: process {first.pid} on " in last_line(second)
            wait_until(lambda: '"event": "job.reads_again"' in first.output(), 20)
            assert first.stop() == 0
        else:
            wait_until(lambda: second.begun, 20, what="the second job's beginning")
            assert "its process is gone" in second.output()


def engine_without_making(recovery: Path) -> list[str]:
    """The engine on a recovery store that is there."""
    elsewhere = recovery.with_name("unused")
    elsewhere.mkdir()
    command = engine(elsewhere)
    shutil.rmtree(elsewhere)
    return [str(recovery) if word == str(elsewhere) else word for word in command]
