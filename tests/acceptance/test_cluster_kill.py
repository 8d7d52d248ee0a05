"""A process of a cluster dies in the middle of a backlog, and the restart of all is exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, UpdateOne
from pymongo.database import Database
from redis import Redis

from tests.acceptance.oracle import SECRET, Document, RowKey, key_of
from tests.acceptance.processes import DBWATCH, Cluster, Job, free_addresses
from tests.acceptance.test_watch import Settings, expect_no_differences, streams
from tests.acceptance.workload import Workload
from tests.conftest import wait_until

MOVIES, USERS, COMMENTS = 30, 10, 4000
Options = Callable[[Path, int], list[str]]


def one_folder(root: Path, number: int) -> list[str]:
    """As on one machine."""
    return ["-r", str(root / "recovery")]


def a_folder_each(root: Path, number: int) -> list[str]:
    """As on several machines: the store is with the first process."""
    return ["-r", str(root / f"recovery-{number}"), *(["--remote-store"] if number else [])]


@pytest.fixture
def jobs(options: Options, settings: Settings, tmp_path: Path) -> Generator[list[Job]]:
    """The two processes of a cluster, not yet started."""
    settings |= {"DBWATCH_MONGO_PARTITIONS": "2", "DBWATCH_STREAM_SHARDS": "2"}
    command = [*DBWATCH, "run", "-s", "1", "-b", "0", "-a", ";".join(free_addresses(2))]
    with ExitStack() as stack:
        jobs: list[Job] = []
        for number in (0, 1):
            folder = tmp_path / str(number)
            folder.mkdir()
            arguments = [*command, "-i", str(number), *options(tmp_path, number)]
            jobs.append(stack.enter_context(Job(folder, settings, arguments)))
        yield jobs


def make_backlog(db: Database[Document], changes: Counter[RowKey]) -> None:
    """Rows of all collections come, change and go, and titles change under rows that are joined with them; `changes`
    counts them by row.
    """
    movies = [f"m{i}" for i in range(MOVIES)]
    comments = [f"c{i}" for i in range(COMMENTS)]

    def count(name: str, keys: list[str]) -> None:
        changes.update((name, key_of(key)) for key in keys)

    def set_each(name: str, keys: list[str], field: str, value: str) -> None:
        db[name].bulk_write([UpdateOne({"_id": key}, {"$set": {field: f"{value} of {key}"}}) for key in keys])
        count(name, keys)

    db.users.insert_many(
        {"_id": f"u{i}", "email": f"u{i}@x.org", "name": f"U{i}", "password": SECRET} for i in range(USERS)
    )
    count("users", [f"u{i}" for i in range(USERS)])
    db.movies.insert_many({"_id": key, "title": "first", "year": 1980} for key in movies)
    count("movies", movies)
    db.comments.insert_many(
        {"_id": key, "movie_id": movies[i % MOVIES], "email": f"u{i % USERS}@x.org", "text": "first"}
        for i, key in enumerate(comments)
    )
    count("comments", comments)
    set_each("movies", movies, "title", "second")
    set_each("comments", comments, "text", "second")
    set_each("movies", movies, "title", "third")
    gone = comments[::10]
    db.comments.delete_many({"_id": {"$in": gone}})
    count("comments", gone)


def written(settings: Settings) -> int:
    with Redis.from_url(settings["REDIS_URL"]) as client:
        return sum(client.xlen(stream) for stream in streams(settings))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("options", "first"),
    [
        pytest.param(one_folder, 1, id="one folder, the second dies first", marks=pytest.mark.soak),
        pytest.param(a_folder_each, 0, id="a folder each, the first dies first"),
        pytest.param(one_folder, 0, id="one folder, the first dies first", marks=pytest.mark.soak),
        pytest.param(a_folder_each, 1, id="a folder each, the second dies first", marks=pytest.mark.soak),
    ],
)
def test_a_process_that_is_killed_in_a_backlog_leaves_every_change_exactly_once(
    mongo: MongoClient[Any], settings: Settings, jobs: list[Job], first: int
) -> None:
    database, cluster = settings["MONGO_DB"], Cluster(jobs)
    workload = Workload(mongo, database, 31)
    snapshot = workload.fill(100)
    cluster.start()
    wait_until(lambda: written(settings) >= len(snapshot), 60, what="the snapshot")
    assert cluster.stop() == [0, 0], cluster.output()
    before = written(settings)
    make_backlog(mongo[database], workload.changes)
    changes = workload.changes.total()

    for share, dies in ((0.1, first), (0.4, 1 - first)):
        enough = max(before + share * changes, written(settings) + 200)  # of this run as well, so both are at work
        cluster.start()
        wait_until(lambda enough=enough: written(settings) > enough or not cluster.running, 60, what="a part of it")
        assert cluster.running, cluster.output()
        jobs[dies].kill()
        assert jobs[1 - dies].wait(60) == 1, cluster.output()
        assert written(settings) < before + changes, "it was to die in the middle"

    cluster.start()
    wait_until(lambda: written(settings) >= before + changes or not cluster.running, 60, what="the whole backlog")
    expect_no_differences(mongo, settings, workload, snapshot, cluster)
    assert cluster.stop() == [0, 0], cluster.output()
