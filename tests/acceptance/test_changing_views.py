"""The guide to changing the views of a job, step by step, on real servers: docs/upgrading.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]
from pymongo import MongoClient

from connectors.archive.chapter import complete_until, read_chapters
from tests.acceptance.oracle import Document, Entry, batch_join, differences, read_feed
from tests.acceptance.processes import DBWATCH, ROOT, VIEWS, Job
from tests.acceptance.workload import Workload
from tests.conftest import wait_until

BEFORE = VIEWS[: VIEWS.index("[views.comments.lookups.user]")]
Given = dict[str, str]


@pytest.fixture
def settings(mongo_uri: str, mongo_db: str, redis_url: str, prefix: str, tmp_path: Path) -> Given:
    return {
        "MONGO_URI": mongo_uri,
        "MONGO_DB": mongo_db,
        "REDIS_URL": redis_url,
        "DBWATCH_PREFIX": prefix,
        "DBWATCH_ARCHIVE": str(tmp_path / "archive"),
        "DBWATCH_CONFIG": str(tmp_path / "dbwatch.toml"),
        "DBWATCH_METRICS": "off",
    }


def said(folder: Path, settings: Given, *command: str) -> str:
    """What a command prints that ends with 0."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MONGO_", "REDIS_", "DBWATCH_", "BYTEWAX_"))}
    env |= settings | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*DBWATCH, *command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def replay_by_engine(folder: Path, settings: Given, recovery: Path, position: str) -> None:
    asked = {"DBWATCH_REPLAY_NAME": "v2", "DBWATCH_REPLAY_UNTIL": position, "DBWATCH_CONFIG": str(folder / "v2.toml")}
    (folder / "replay").mkdir()
    command = [sys.executable, "-m", "bytewax.run", "flows.replay:flow", "-r", str(recovery)]
    with Job(folder / "replay", settings | asked, command) as replay:
        replay.start()
        assert replay.wait() == 0, replay.output()


def running(folder: Path, settings: Given, recovery: str) -> Job:
    folder.mkdir(exist_ok=True)
    return Job(folder, settings, [*DBWATCH, "run", "-r", recovery, "-s", "1"])


def streams_of(name: str, shards: int) -> list[str]:
    return [name] if shards == 1 else [f"{name}:{shard}" for shard in range(shards)]


def own(feed: Sequence[Entry]) -> Counter[tuple[str, str]]:
    return Counter(entry.row_key for entry in feed if "cause" not in entry.fields and entry.fields["op"] != "r")


@pytest.mark.parametrize(
    ("views", "shards"),
    [
        pytest.param(BEFORE, 1, id="a lookup"),
        pytest.param(VIEWS, 2, id="partitions and shards", marks=pytest.mark.soak),
    ],
)
def test_a_lookup_is_added_and_consumers_switch_over_without_losing_or_repeating_a_change(
    mongo: MongoClient[Document], settings: Given, tmp_path: Path, views: str, shards: int
) -> None:
    (tmp_path / "dbwatch.toml").write_text(views)
    (tmp_path / "v2.toml").write_text(VIEWS)
    redis_url, prefix = settings["REDIS_URL"], settings["DBWATCH_PREFIX"]
    workload = Workload(mongo, settings["MONGO_DB"], 21)
    snapshot = workload.fill(150)

    def write(count: int = 150) -> None:
        for _ in range(count):
            workload.step()

    def old_feed() -> list[Entry]:
        return read_feed(redis_url, [f"{prefix}:changes"])

    with running(tmp_path / "one", settings, str(tmp_path / "recovery")) as job:
        job.start()
        wait_until(lambda: len(old_feed()) >= len(snapshot), what="the first reading")
        write()
        wait_until(lambda: own(old_feed()) == workload.changes, what="all changes in the old feed")
        assert job.stop() == 0
    before = len(old_feed())
    write()  # while no job runs

    said(tmp_path, settings, "snapshot", "save", "before-v2")
    position = json.loads(said(tmp_path, settings, "snapshot", "show", "before-v2", "--json"))["position"]
    (chapter,) = read_chapters(tmp_path / "archive")
    assert complete_until(tmp_path / "archive", chapter) == position
    settings |= {"DBWATCH_MONGO_PARTITIONS": str(shards), "DBWATCH_STREAM_SHARDS": str(shards)}
    recovery, new_feed = tmp_path / "replays" / "v2" / "recovery", streams_of(f"{prefix}-v2:changes", shards)
    if shards == 1:
        said(tmp_path, settings, "replay", "--config", "v2.toml", "--name", "v2", "--until", position)
    else:
        recovery = tmp_path / "three"
        recovery.mkdir()
        init_db_dir(recovery, 3)
        replay_by_engine(tmp_path, settings, recovery, position)

    new = settings | {"DBWATCH_PREFIX": f"{prefix}-v2", "DBWATCH_CONFIG": str(tmp_path / "v2.toml")}
    with running(tmp_path / "two", new, str(recovery)) as job:
        job.start()
        write()
        joined = batch_join(mongo, settings["MONGO_DB"])
        wrong: list[str] = []

        def is_right() -> bool:
            assert job.running, job.output()
            feed = read_feed(
                redis_url, [*streams_of(f"{prefix}:replay:v2", shards), *streams_of(f"{prefix}-v2:changes", shards)]
            )
            wrong[:] = differences(feed, joined, workload.changes, snapshot=snapshot)
            return not wrong

        wait_until(is_right, what=f"a feed through the new views: {wrong[:3]}")
        assert job.stop() == 0
    assert len(old_feed()) == before, "the old feed is left as it was"
    switched = own(old_feed()) + own(read_feed(redis_url, new_feed))
    assert switched == workload.changes, "a consumer that read the old feed to its end, then the new one"
