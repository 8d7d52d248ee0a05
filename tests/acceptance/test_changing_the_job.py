"""What of a job may be changed between two runs without losing its state, and what is refused; on real servers."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

import pytest
from pymongo import MongoClient
from redis import Redis

from connectors.ending import Ending
from connectors.errors import DBWatchError
from connectors.settings import Settings
from flows.launch import Launch
from flows.store_states import source_states
from flows.watch import prepare
from tests.acceptance.oracle import Document, batch_join, differences, read_feed
from tests.acceptance.processes import DBWATCH, VIEWS, Cluster, Job, free_addresses
from tests.acceptance.workload import Workload
from tests.conftest import wait_until

Given = dict[str, str]


@pytest.fixture
def recovery(tmp_path: Path) -> Path:
    return tmp_path / "recovery"


class Ways:
    """Ways to run one and the same job."""

    def __init__(self, folder: Path, settings: Given) -> None:
        self._folder = folder
        self._settings = settings
        self._runs = 0

    def run(self, *options: str, **changed: str) -> Job:
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        command = [*DBWATCH, "run", "-r", str(self._folder / "recovery"), "-s", "1", *options]
        return Job(folder, self._settings | changed, command)

    def cluster(self, processes: int, **changed: str) -> list[Job]:
        addresses = ";".join(free_addresses(processes))
        return [self.run("-a", addresses, "-i", str(number), **changed) for number in range(processes)]

    def snapshot(self, name: str) -> None:
        command = [*DBWATCH, "snapshot", "save", name, "-r", str(self._folder / "recovery")]
        command += ["--into", str(self._folder / "snapshots")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr


def feed_of(settings: Given) -> list[str]:
    return [f"{settings['DBWATCH_PREFIX']}:changes"]


class Checked:
    """A workload, and what the feed must say of it."""

    def __init__(self, mongo: MongoClient[Document], settings: Given, *, seed: int) -> None:
        self._mongo = mongo
        self._settings = settings
        self._workload = Workload(mongo, settings["MONGO_DB"], seed)
        self._before = self._workload.fill(150)

    def write(self, count: int = 150) -> None:
        for _ in range(count):
            self._workload.step()

    def expect_all(self, job: Job | Cluster) -> None:
        """Every change has exactly one record, and the last records are a batch join."""
        joined = batch_join(self._mongo, self._settings["MONGO_DB"])

        def wrong() -> list[str]:
            assert job.running, job.output()
            feed = read_feed(self._settings["REDIS_URL"], feed_of(self._settings))
            return differences(feed, joined, self._workload.changes, snapshot=self._before)

        wait_until(lambda: not wrong(), 30, what="a feed that agrees with the database")


def stopped(job: Job | Cluster) -> None:
    status = job.stop()
    assert status == 0 or status == [0] * 2, job.output()


Stage = tuple[tuple[str, ...], str]
"""Options of a run, and whether it keeps an archive."""

QUICK: list[Stage] = [(("-w", "3", "-s", "2", "-b", "0"), "on")]
ALL: list[Stage] = [*QUICK, ((), "off"), (("-w", "2"), "on"), (("cluster",), "off"), ((), "on")]


@pytest.mark.parametrize(
    "stages", [pytest.param(QUICK, id="quick"), pytest.param(ALL, id="all", marks=pytest.mark.soak)]
)
def test_workers_processes_and_the_archive_may_change_and_an_older_snapshot_may_be_put_back(
    mongo: MongoClient[Document], settings: Given, tmp_path: Path, recovery: Path, stages: list[Stage]
) -> None:
    ways, checked = Ways(tmp_path, settings), Checked(mongo, settings, seed=11)
    archive = {"on": str(tmp_path / "archive"), "off": "off"}
    with ways.run() as job:
        job.start()
        checked.expect_all(job)
        checked.write()
        wait_until(lambda: source_states(recovery), what="the first epoch")
        ways.snapshot("early")
        checked.expect_all(job)
        stopped(job)
    label = json.loads((recovery / "dbwatch.json").read_text())  # as a version wrote it that kept less there
    (recovery / "dbwatch.json").write_text(json.dumps({n: label[n] for n in ("format", "job", "generation", "run")}))
    for options, kept in stages:
        with ExitStack() as stack:
            if options == ("cluster",):
                job = Cluster([stack.enter_context(job) for job in ways.cluster(2, DBWATCH_ARCHIVE=archive[kept])])
            else:
                job = stack.enter_context(ways.run(*options, DBWATCH_ARCHIVE=archive[kept]))
            checked.write(60)
            job.start()
            checked.write(60)
            checked.expect_all(job)
            stopped(job)
    recovery.rename(tmp_path / "newer")
    shutil.copytree(tmp_path / "snapshots" / "early", recovery)
    with ways.run(DBWATCH_ARCHIVE=archive["on"]) as job:
        checked.write(60)
        job.start()
        checked.expect_all(job)
        stopped(job)


Maybe = dict[str, str | None]
Change = Callable[[Path, Maybe, Path], None]
"""Of the recovery folder, the settings and the views' file."""


def another_source_partition(_: Path, settings: Maybe, __: Path) -> None:
    settings["DBWATCH_MONGO_PARTITIONS"] = "2"


def another_shard(_: Path, settings: Maybe, __: Path) -> None:
    settings["DBWATCH_STREAM_SHARDS"] = "2"


def another_prefix(_: Path, settings: Maybe, __: Path) -> None:
    settings["DBWATCH_PREFIX"] = f"{settings['DBWATCH_PREFIX']}-other"


def another_field(_: Path, __: Maybe, config: Path) -> None:
    config.write_text(VIEWS.replace('"title", "year"', '"title"'))


def another_mask(_: Path, __: Maybe, config: Path) -> None:
    config.write_text(VIEWS.replace('["password"]', '["password", "name"]').replace('["name"]\n', '["email"]\n', 1))


def another_name_of_a_view(_: Path, __: Maybe, config: Path) -> None:
    config.write_text(VIEWS.replace("[views.movies]", '[views.films]\ncollection = "movies"'))


def another_name_of_a_lookup(_: Path, __: Maybe, config: Path) -> None:
    config.write_text(VIEWS.replace("lookups.movie]", "lookups.film]"))


def no_label(recovery: Path, _: Maybe, __: Path) -> None:
    (recovery / "dbwatch.json").unlink()


def relabelled(recovery: Path, **fields: object) -> None:
    label = json.loads((recovery / "dbwatch.json").read_text())
    (recovery / "dbwatch.json").write_text(json.dumps(label | fields))


def an_older_format(recovery: Path, _: Maybe, __: Path) -> None:
    relabelled(recovery, format=2)


def a_newer_format(recovery: Path, _: Maybe, __: Path) -> None:
    relabelled(recovery, format=4)


def a_label_cut_off(recovery: Path, _: Maybe, __: Path) -> None:
    os.truncate(recovery / "dbwatch.json", 20)


def another_job(recovery: Path, _: Maybe, __: Path) -> None:
    relabelled(recovery, job="0" * 32)


def made_for_other_views(recovery: Path, _: Maybe, __: Path) -> None:
    relabelled(recovery, made_for={"views": "others"})


def no_partition(recovery: Path, _: Maybe, __: Path) -> None:
    (recovery / "part-0.sqlite3").rename(recovery / "gone")


def one_more_partition(recovery: Path, _: Maybe, __: Path) -> None:
    shutil.copy(recovery / "part-0.sqlite3", recovery / "part-1.sqlite3")


def a_partition_of_no_length(recovery: Path, _: Maybe, __: Path) -> None:
    os.truncate(recovery / "part-0.sqlite3", 0)


def in_store(recovery: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(recovery / "part-0.sqlite3")) as db:
        db.execute(sql, values)
        db.commit()


def another_flow(recovery: Path, _: Maybe, __: Path) -> None:
    in_store(recovery, "UPDATE snaps SET step_id = replace(step_id, 'watch.', 'other.')")


def another_class(recovery: Path, _: Maybe, __: Path) -> None:
    state = b"\x80\x04\x8c\x16connectors.mongo_state\x8c\x08NewState\x93)\x81."
    in_store(recovery, "UPDATE snaps SET ser_change = ? WHERE step_id = 'watch.changes'", state)


def other_fields(recovery: Path, _: Maybe, __: Path) -> None:
    in_store(recovery, "UPDATE snaps SET ser_change = ? WHERE step_id = 'watch.changes'", pickle.dumps(["a"])[:-2])


def other_state_of_the_join(recovery: Path, _: Maybe, __: Path) -> None:
    in_store(recovery, "UPDATE snaps SET ser_change = substr(ser_change, 1, 9) WHERE step_id LIKE 'watch.join_rows%'")


def another_step(recovery: Path, _: Maybe, __: Path) -> None:
    in_store(recovery, "UPDATE snaps SET step_id = 'watch.joined_rows' WHERE step_id = 'watch.join_rows'")


def another_input_step(recovery: Path, _: Maybe, __: Path) -> None:
    in_store(recovery, "UPDATE snaps SET step_id = 'watch.source' WHERE step_id = 'watch.changes'")


CHANGES: list[tuple[Change, str]] = [
    (another_source_partition, "DBWATCH_MONGO_PARTITIONS: expected '1', with which .*; set it back; .*dbwatch replay"),
    (another_shard, "DBWATCH_STREAM_SHARDS: expected '1', with which .*; set it back; .*`dbwatch replay`"),
    (another_prefix, "a job that .*-other:job in Redis does not know: .*Point both at the same job"),
    (
        another_field,
        "the views are not those .*; take the change back; run .* with `dbwatch replay` .docs/upgrading.md",
    ),
    (another_mask, "the views are not those with which this job began .names, order, lookups, fields and masks count."),
    (another_name_of_a_view, "the views are not those .*; take the change back; run .* with `dbwatch replay`"),
    (another_name_of_a_lookup, "the views are not those .*; take the change back; run .* with `dbwatch replay`"),
    (no_label, "it holds state, and no dbwatch.json that says of which job; restore that file"),
    (an_older_format, "its format is 2, this version reads 3; use the version that wrote it, or name a new folder"),
    (a_newer_format, "its format is 4, this version reads 3; use the version that wrote it, or name a new folder"),
    (a_label_cut_off, "dbwatch.json cannot be read .*; restore or delete it"),
    (another_job, "a job that .*:job in Redis does not know: another job has begun there since"),
    (made_for_other_views, "the views are not those with which this job began"),
    (no_partition, "expected part-.* files, found none|make it with"),
    (one_more_partition, "part-0.sqlite3 expects 1 partition files, found 2; take away what is not this store's"),
    (a_partition_of_no_length, "part-0.sqlite3 cannot be read as a recovery partition .*; restore it from a copy"),
    (another_flow, "holds the state of the flow 'other', expected that of 'watch'; name another folder"),
    (another_class, "the state of watch.changes tail-0 cannot be read .*NewState.*; use the version of dbwatch"),
    (other_fields, "the state of watch.changes tail-0 cannot be read .*; use the version of dbwatch that wrote it"),
    (other_state_of_the_join, "the state of watch.join_rows.* cannot be read .*; use the version of dbwatch"),
    (another_step, "state of .*watch.joined_rows"),
    (another_input_step, "state of .*watch.source"),
]


def redis_of(settings: Given) -> dict[str, object]:
    """What Redis holds of the feed and the job, apart from signs of life and of the writer's lock."""
    job, prefix = f"{settings['DBWATCH_PREFIX']}:job", settings["DBWATCH_PREFIX"]
    with Redis.from_url(settings["REDIS_URL"], decode_responses=True) as client:
        fields = cast("dict[str, str]", client.hgetall(job))
        feed = cast("object", client.xinfo_stream(f"{prefix}:changes"))
        others = sorted(cast("Iterator[str]", client.scan_iter(match=f"{prefix}*:changes*")))
    signs = ("writer", "checked_ms", "process:")
    return {"feed": feed, "others": others, "job": {n: v for n, v in fields.items() if not n.startswith(signs)}}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-shm", "-wal"))}


def test_what_the_state_does_not_fit_is_refused_with_the_way_out_and_nothing_is_written(
    mongo: MongoClient[Document], settings: Given, tmp_path: Path
) -> None:
    ways, checked = Ways(tmp_path, settings), Checked(mongo, settings, seed=12)
    with ways.run() as job:
        job.start()
        checked.expect_all(job)
        checked.write(30)
        checked.expect_all(job)
        stopped(job)
    before = redis_of(settings)
    wrong: list[str] = []
    for change, says in CHANGES:
        folder = tmp_path / change.__name__
        shutil.copytree(tmp_path / "recovery", folder / "recovery")
        (folder / "dbwatch.toml").write_text(VIEWS)
        changed: dict[str, str | None] = {**settings, "DBWATCH_CONFIG": str(folder / "dbwatch.toml")}
        change(folder / "recovery", changed, folder / "dbwatch.toml")
        files = files_of(folder / "recovery")
        with pytest.raises(DBWatchError) as caught:
            prepare(Settings.load(changed | {"DBWATCH_METRICS": "off"}), Launch(folder / "recovery"), Ending())
        if caught.value.exit_status != 2 or not re.search(says, str(caught.value)):
            wrong.append(f"{change.__name__}: {caught.value}")
        if redis_of(settings) != before or files_of(folder / "recovery") != files:
            wrong.append(f"{change.__name__}: wrote something")
    assert wrong == []
