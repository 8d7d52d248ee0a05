"""The job while its wall clock is set forth and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.acceptance.oracle import batch_join, read_feed
from tests.acceptance.processes import DBWATCH, Job, free_addresses
from tests.acceptance.test_monitoring import Monitor
from tests.acceptance.test_watch import random_run
from tests.clock import Clock
from tests.conftest import wait_until

HOUR_S = 3600.0
Settings = dict[str, str]
Mongo = MongoClient[dict[str, Any]]


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "offset")


@pytest.fixture
def settings(settings: Settings, clock: Clock) -> Settings:
    return settings | clock.env | {"DBWATCH_METRICS": free_addresses(1)[0]}


@pytest.fixture
def job(settings: Settings, tmp_path: Path) -> Job:
    return Job(tmp_path, settings, [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-s", "1", "-b", "0"])


def written(settings: Settings) -> int:
    with Redis.from_url(settings["REDIS_URL"]) as client:
        return int(client.xlen(f"{settings['DBWATCH_PREFIX']}:changes"))


def test_a_clock_that_is_set_forth_and_back_neither_stops_the_feed_nor_changes_it(
    mongo: Mongo, settings: Settings, clock: Clock, job: Job
) -> None:
    jumps = {100: HOUR_S, 200: -HOUR_S, 300: 0.0}
    step = before = 0

    def set_now_and_then(_: object) -> None:
        nonlocal step, before
        step += 1
        if step in jumps:
            before = written(settings)
            clock.set(jumps[step])
        elif step - 50 in jumps:
            wait_until(lambda: written(settings) > before, 20, what=f"records after jump {step - 50}")

    with job:
        random_run(mongo, settings, job, seed=11, steps=400, between=set_now_and_then)
        wait_until(lambda: '"job.runs_again"' in job.output(), 20)
        wait_until(lambda: job.output().count('"metrics.served"') > 1, 20, what="the same address, by the next run")
        wait_until(lambda: Monitor(settings["DBWATCH_METRICS"]).ready, 20)
        assert job.stop() == 0


def test_a_kill_after_the_clock_was_set_back_leaves_every_change_exactly_once(
    mongo: Mongo, settings: Settings, clock: Clock, job: Job
) -> None:
    step = 0

    def set_and_kill(_: object) -> None:
        nonlocal step
        step += 1
        if step in (100, 300):
            clock.set(-HOUR_S * step)
            job.kill()
            job.start()

    with job:
        random_run(mongo, settings, job, seed=12, steps=400, between=set_and_kill)


def test_many_subscribers_are_told_though_the_clock_is_set_back_meanwhile(
    mongo: Mongo, settings: Settings, clock: Clock, job: Job
) -> None:
    db = mongo[settings["MONGO_DB"]]
    for name in ("movies", "users", "comments"):
        db.create_collection(name)
    db.movies.insert_one({"_id": 1, "title": "Heat", "year": 1995})
    db.comments.insert_many([{"_id": i, "movie_id": 1} for i in range(3000)])
    streams = [f"{settings['DBWATCH_PREFIX']}:changes"]

    def is_joined() -> bool:
        rows = {entry.row_key: entry.json("after") for entry in read_feed(settings["REDIS_URL"], streams)}
        return rows == batch_join(mongo, settings["MONGO_DB"])

    with job:
        job.start()
        wait_until(is_joined, 60, what="the snapshot")
        before = written(settings)
        db.movies.update_one({"_id": 1}, {"$set": {"title": "Alien"}})
        wait_until(lambda: written(settings) > before, what="the first of the subscribers")
        clock.set(-HOUR_S)
        wait_until(is_joined, 30, what="all comments told")


def test_a_job_can_be_stopped_right_after_its_clock_was_set_back(
    mongo: Mongo, settings: Settings, clock: Clock, job: Job
) -> None:
    mongo[settings["MONGO_DB"]].movies.insert_one({"_id": 1})
    for name in ("users", "comments"):
        mongo[settings["MONGO_DB"]].create_collection(name)
    with job:
        job.start()
        wait_until(lambda: written(settings) == 1, 30)
        clock.set(-HOUR_S)
        assert job.stop() == 0
