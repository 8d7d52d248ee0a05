"""The archive that the job keeps, held against a log of changes that is kept outside."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest
from bson.timestamp import Timestamp
from pymongo import MongoClient

from connectors.archive.chapter import Chapter, complete_until, read_chapters
from flows.recovery import make_store
from tests.acceptance.oracle import SECRET, Document, RowKey, key_of, plain
from tests.acceptance.outside import OutsideLog, Seen
from tests.acceptance.processes import DBWATCH, ENGINE, Cluster, Job, free_addresses
from tests.acceptance.workload import COLLECTIONS, Workload
from tests.conftest import wait_until
from tests.connectors.archive.past import Kept, hidden, kept

Settings = dict[str, str]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings | {"DBWATCH_ARCHIVE": str(tmp_path / "archive")}


def job_in(folder: Path, settings: Settings, *options: str) -> Job:
    make_store(folder / "recovery")
    return Job(folder, settings, [*ENGINE, "-r", str(folder / "recovery"), "-s", "1", "-b", "0", *options])


def newest(settings: Settings) -> Chapter:
    return read_chapters(Path(settings["DBWATCH_ARCHIVE"]))[-1]


def rows_in(settings: Settings, chapter: Chapter) -> list[Kept]:
    return kept(Path(settings["DBWATCH_ARCHIVE"]) / chapter.name)


def await_change(settings: Settings, mongo: MongoClient[Document], job: Job | Cluster) -> None:
    """Wait until everything up to now is in the archive."""
    now = mongo[settings["MONGO_DB"]].command("ping")["operationTime"]
    position = f"{now.time:08x}{now.inc:08x}"

    def is_there() -> bool:
        assert job.running, job.output()
        if '"event": "archive.' not in job.output():
            return False
        until = complete_until(Path(settings["DBWATCH_ARCHIVE"]), newest(settings))
        return until is not None and until >= position

    wait_until(is_there, 30, what="an archive that is complete up to now")


def by_row(rows: list[Kept]) -> dict[RowKey, list[Seen]]:
    found: defaultdict[RowKey, list[Seen]] = defaultdict(list)
    for row in rows:
        after = None if row.change.after is None else json.loads(row.change.after)
        found[row.change.collection, row.change.key].append((row.change.op, after))
    return dict(found)


def expect_nothing_masked(folder: Path, rows: list[Kept]) -> None:
    for row in rows:
        assert SECRET not in str(row)
        assert row.change.collection != "users" or "password" not in str(row)
    assert not [file for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_kills_at_random_moments_leave_each_change_in_the_archive_exactly_once(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    settings |= {"DBWATCH_MONGO_PARTITIONS": "2"}
    rnd = random.Random(7)
    workload = Workload(mongo, settings["MONGO_DB"], 7)
    snapshot = workload.fill(150)
    kills = 0
    with job_in(tmp_path, settings) as job:
        job.start()
        wait_until(lambda: job.begun, 30)
        time.sleep(rnd.random())
        log = OutsideLog(mongo, settings["MONGO_DB"], masked={"users": "password"})
        for step in range(900):
            workload.step()
            if step % 250 == 120:
                time.sleep(rnd.random() * 1.5)  # somewhere in an epoch
                job.kill()
                kills += 1
                job.start()
        await_change(settings, mongo, job)
        expected = log.read()
        assert job.stop(signal.SIGTERM) == 0
    (chapter,) = read_chapters(Path(settings["DBWATCH_ARCHIVE"]))
    rows = rows_in(settings, chapter)
    assert kills == 4
    read = [row for row in rows if row.change.op == "r"]
    assert sorted((row.change.collection, row.change.key) for row in read) == sorted(snapshot)
    assert all(row.change.position == chapter.begin for row in read)
    assert by_row([row for row in rows if row.change.op != "r"]) == expected
    expect_nothing_masked(tmp_path / "archive", rows)
    assert hidden(tmp_path / "archive") == []


def test_switched_on_again_a_chapter_begins_with_the_collections_as_they_were(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    settings |= {"DBWATCH_MONGO_PARTITIONS": "2"}
    workload = Workload(mongo, settings["MONGO_DB"], 8)
    workload.fill(150)
    with job_in(tmp_path, settings) as job:
        job.start()
        await_change(settings, mongo, job)
        assert job.stop() == 0
        first = newest(settings)
        before = rows_in(settings, first)
        job.env["DBWATCH_ARCHIVE"] = "off"
        job.start()
        for _ in range(100):
            workload.step()
        wait_until(lambda: job.begun, 30)
        time.sleep(1.5)
        assert job.stop() == 0
        assert rows_in(settings, first) == before
        job.env["DBWATCH_ARCHIVE"] = settings["DBWATCH_ARCHIVE"]
        job.start()
        for _ in range(100):
            workload.step()
        wait_until(lambda: newest(settings).name != first.name and newest(settings).begin != "", 30)
        workload.fill(50)
        await_change(settings, mongo, job)
        assert job.stop() == 0
    second = newest(settings)
    assert (second.number, second.job_id, second.generation) == (2, first.job_id, first.generation)
    rows = rows_in(settings, second)
    image = [row for row in rows if not row.seq]
    (position,) = {row.change.position for row in image}
    assert position < second.begin
    assert rows_of(image) == collections_at(mongo, settings["MONGO_DB"], position)
    later = [row for row in rows if row.seq and row.change.position >= second.begin]
    assert rows_of([*image, *later]) == collections_at(mongo, settings["MONGO_DB"], None)
    expect_nothing_masked(tmp_path / "archive", rows)
    assert hidden(tmp_path / "archive") == []


def rows_of(rows: list[Kept]) -> dict[RowKey, Document]:
    """What is there after these changes."""
    found: dict[RowKey, Document] = {}
    for row in rows:
        if row.change.after is None:
            found.pop((row.change.collection, row.change.key), None)
        else:
            found[row.change.collection, row.change.key] = json.loads(row.change.after)
    return found


def collections_at(mongo: MongoClient[Document], database: str, position: str | None) -> dict[RowKey, Document]:
    """The rows without what is masked, read at a cluster time; None: now."""
    concern: Document = {"level": "majority"}
    if position is not None:
        time = Timestamp(int(position[:8], 16), int(position[8:16], 16))
        concern = {"level": "snapshot", "atClusterTime": time}
    found: dict[RowKey, Document] = {}
    for name in COLLECTIONS:
        with mongo.start_session(causal_consistency=False) as session:
            command = {"find": name, "batchSize": 10_000, "readConcern": concern}
            for row in mongo[database].command(command, session=session)["cursor"]["firstBatch"]:
                row.pop("password", None)
                found[name, key_of(row["_id"])] = plain(row)
    return found


def test_a_disk_that_takes_nothing_holds_the_job_and_loses_nothing(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    workload = Workload(mongo, settings["MONGO_DB"], 9)
    workload.fill(50)
    with job_in(tmp_path, settings) as job:
        job.start()
        await_change(settings, mongo, job)
        log = OutsideLog(mongo, settings["MONGO_DB"], masked={"users": "password"})
        folder, aside = tmp_path / "archive" / newest(settings).name, tmp_path / "aside"
        folder.rename(aside)
        folder.write_text("stands in the way, whoever runs the test")
        for _ in range(50):
            workload.step()
        wait_until(lambda: '"event": "archive.held"' in job.output(), 10)
        folder.unlink()
        aside.rename(folder)
        wait_until(lambda: '"event": "archive.goes_on"' in job.output(), 10)
        await_change(settings, mongo, job)
        expected = log.read()
        folder.rename(aside)
        folder.write_text("in the way again")
        workload.step()
        workload.fill(20)
        wait_until(lambda: job.output().count('"event": "archive.held"') == 2, 10)
        assert job.stop() == 1
        assert "ended without a last snapshot; nothing is lost" in job.output().splitlines()[-1]
        folder.unlink()
        aside.rename(folder)
        assert by_row([row for row in rows_in(settings, newest(settings)) if row.change.op != "r"]) == expected
        job.start()
        await_change(settings, mongo, job)
        assert job.stop() == 0
    assert rows_of(rows_in(settings, newest(settings))) == collections_at(mongo, settings["MONGO_DB"], None)


@pytest.mark.soak
def test_when_the_chapter_is_removed_under_it_the_job_begins_another_by_itself(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    workload = Workload(mongo, settings["MONGO_DB"], 11)
    workload.fill(50)
    with job_in(tmp_path, settings) as job:
        job.start()
        await_change(settings, mongo, job)
        shutil.rmtree(tmp_path / "archive")
        workload.fill(20)
        wait_until(lambda: '"event": "archive.begun"' in job.output().partition('"event": "job.runs_again"')[2], 20)
        workload.fill(20)
        await_change(settings, mongo, job)
        assert job.stop() == 0
    (chapter,) = read_chapters(tmp_path / "archive")
    rows = [row for row in rows_in(settings, chapter) if not row.seq or row.change.position >= chapter.begin]
    assert rows_of(rows) == collections_at(mongo, settings["MONGO_DB"], None)


def test_a_folder_that_cannot_be_is_one_line_before_anything_begins(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("no folder")
    with job_in(tmp_path, settings) as job:
        job.start()
        assert job.wait() == 2
        (line,) = job.output().splitlines()
    assert line.startswith(f"dbwatch: error: archive folder {tmp_path / 'archive'}: cannot be written: ")


@pytest.mark.soak
def test_the_processes_of_a_cluster_write_one_chapter(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path
) -> None:
    settings |= {"DBWATCH_MONGO_PARTITIONS": "3"}
    workload = Workload(mongo, settings["MONGO_DB"], 10)
    workload.fill(100)
    addresses = ";".join(free_addresses(2))
    command = [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-s", "1", "-b", "0", "-a", addresses]
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        jobs = [stack.enter_context(Job(f, settings, [*command, "-i", str(i)])) for i, f in enumerate(folders)]
        cluster = Cluster(jobs)
        cluster.start()
        wait_until(lambda: jobs[0].begun, 30)
        for _ in range(200):
            workload.step()
        await_change(settings, mongo, cluster)
        assert cluster.stop() == [0, 0]
    (chapter,) = read_chapters(tmp_path / "archive")
    rows = rows_in(settings, chapter)
    assert {row.partition for row in rows} == {0, 1, 2}
    assert rows_of(rows) == collections_at(mongo, settings["MONGO_DB"], None)
