"""A job that cannot simply go on reads the collections again, and the feed gets only what differs."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.acceptance.oracle import Document
from tests.acceptance.processes import Job
from tests.acceptance.test_watch import Settings, engine, expect_no_differences, read_feed, settings, streams
from tests.acceptance.workload import COLLECTIONS, Workload
from tests.conftest import wait_until

__all__ = ["settings"]


def tail_is_saved(job: Job) -> bool:
    """Whether the run that was started last is past its snapshot, which could not be read again after a drop."""
    last_run = job.output().rpartition('"event": "job.')[2]
    return "snapshot." not in last_run or time.monotonic() - job.started_s > 6


@pytest.mark.parametrize(
    ("how", "names"),
    [("drop", ("movies",)), ("rename", ("comments",)), ("dropDatabase", COLLECTIONS)],
    ids=["drop", "rename", "dropDatabase"],
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
