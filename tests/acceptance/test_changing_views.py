"""The guide to changing the views of a job, step by step, on real servers: docs/upgrading.md."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]
from pymongo import MongoClient

from tests.acceptance.oracle import Document, Entry, batch_join, differences, read_feed
from tests.acceptance.processes import DBWATCH, ROOT, VIEWS, Job
from tests.acceptance.workload import Workload
from tests.conftest import wait_until

BEFORE = VIEWS[: VIEWS.index("[views.comments.lookups.user]")]
Given = dict[str, str]


@pytest.fixture
def settings(settings: Given, tmp_path: Path) -> Given:
    return settings | {
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


def replay_by_engine(folder: Path, settings: Given, recovery: Path, snapshot: str) -> None:
    asked = {"NAME": "v2", "UNTIL_SNAPSHOT": str(folder / "snapshots" / snapshot)}
    given = {f"DBWATCH_REPLAY_{name}": value for name, value in asked.items()}
    given["DBWATCH_CONFIG"] = str(folder / "v2.toml")
    (folder / "replay").mkdir()
    command = [sys.executable, "-m", "bytewax.run", "flows.replay:flow", "-r", str(recovery)]
    with Job(folder / "replay", settings | given, command) as replay:
        replay.start()
        assert replay.wait() == 0, replay.output()


def running(folder: Path, settings: Given, recovery: str) -> Job:
    folder.mkdir(exist_ok=True)
    return Job(folder, settings, [*DBWATCH, "run", "-r", recovery, "-s", "1"])


def streams_of(name: str, shards: int) -> list[str]:
    return [name] if shards == 1 else [f"{name}:{shard}" for shard in range(shards)]


def own(feed: Sequence[Entry]) -> Counter[tuple[str, str]]:
    return Counter(entry.row_key for entry in feed if is_own(entry))


def is_own(entry: Entry) -> bool:
    """Whether it tells of a change of the row itself."""
    return "cause" not in entry.fields and entry.fields["op"] != "r"


def out_of_order(feed: Sequence[Entry]) -> list[Entry]:
    """Records of a row whose change is not later than that of the one before."""
    last: dict[tuple[str, str], str] = {}
    found: list[Entry] = []
    for entry in filter(is_own, feed):
        if entry.fields["position"] <= last.get(entry.row_key, ""):
            found.append(entry)
        last[entry.row_key] = entry.fields["position"]
    return found


@contextmanager
def written_to(workload: Workload, *, pause_s: float = 0.002) -> Generator[None]:
    """Somebody writes all the time."""
    stopped = threading.Event()

    def write() -> None:
        while not stopped.wait(pause_s):
            workload.step()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            yield
        finally:
            stopped.set()
            writing.result()


class Way(NamedTuple):
    """How many partitions and shards the job had, and how many the one after it has; whether that is killed once it
    has written something.
    """

    before: int
    after: int
    shards: int = 1
    recovery_partitions: int = 1
    kills: bool = False


def replay_into_v2(folder: Path, settings: Given, recovery_partitions: int) -> Path:
    """Run the past through the new views, up to the snapshot; returns the recovery folder with which a job goes on."""
    if recovery_partitions == 1:
        said(folder, settings, "replay", "--config", "v2.toml", "--name", "v2", "--until-snapshot", "before-v2")
        return folder / "replays" / "v2" / "recovery"
    recovery = folder / "more"
    recovery.mkdir()
    init_db_dir(recovery, recovery_partitions)
    replay_by_engine(folder, settings, recovery, "before-v2")
    return recovery


@pytest.mark.parametrize(
    ("views", "way"),
    [
        pytest.param(BEFORE, Way(3, 3), id="a lookup"),
        pytest.param(BEFORE, Way(1, 1), id="a lookup, one partition", marks=pytest.mark.soak),
        pytest.param(VIEWS, Way(3, 2, kills=True), id="fewer partitions", marks=pytest.mark.soak),
        pytest.param(VIEWS, Way(2, 3, 2, 3), id="more of everything", marks=pytest.mark.soak),
    ],
)
def test_while_others_write_consumers_switch_over_without_losing_or_repeating_a_change(
    mongo: MongoClient[Document], settings: Given, tmp_path: Path, views: str, way: Way
) -> None:
    (tmp_path / "dbwatch.toml").write_text(views)
    (tmp_path / "v2.toml").write_text(VIEWS)
    redis_url, prefix = settings["REDIS_URL"], settings["DBWATCH_PREFIX"]
    settings |= {"DBWATCH_MONGO_PARTITIONS": str(way.before)}
    workload = Workload(mongo, settings["MONGO_DB"], 21)
    snapshot = workload.fill(150)

    def old_feed() -> list[Entry]:
        return read_feed(redis_url, [f"{prefix}:changes"])

    def new_feed() -> list[Entry]:
        return read_feed(redis_url, streams_of(f"{prefix}-v2:changes", way.shards))

    with ExitStack() as writing:
        with running(tmp_path / "one", settings, str(tmp_path / "recovery")) as job:
            job.start()
            wait_until(lambda: len(old_feed()) >= len(snapshot), what="the first reading")
            writing.enter_context(written_to(workload))
            wait_until(lambda: own(old_feed()).total() > 300, what="changes in the old feed")
            assert job.stop() == 0
        before = len(old_feed())

        said(tmp_path, settings, "snapshot", "save", "before-v2")
        settings |= {"DBWATCH_MONGO_PARTITIONS": str(way.after), "DBWATCH_STREAM_SHARDS": str(way.shards)}
        recovery = replay_into_v2(tmp_path, settings, way.recovery_partitions)
        replayed = read_feed(redis_url, streams_of(f"{prefix}:replay:v2", way.shards))
        assert own(replayed) == own(old_feed()), "the replay says what the job had said"

        new = settings | {"DBWATCH_PREFIX": f"{prefix}-v2", "DBWATCH_CONFIG": str(tmp_path / "v2.toml")}
        with running(tmp_path / "two", new, str(recovery)) as job:
            job.start()
            wait_until(new_feed, what="the first record of the job that goes on")
            if way.kills:
                job.kill()
                job.start()
            writing.close()
            joined = batch_join(mongo, settings["MONGO_DB"])

            def is_right() -> bool:
                assert job.running, job.output()
                return not differences([*replayed, *new_feed()], joined, workload.changes, snapshot=snapshot)

            wait_until(is_right, what="a feed through the new views")
            assert job.stop() == 0
    assert len(old_feed()) == before, "the old feed is left as it was"
    switched = [*old_feed(), *new_feed()]
    assert own(switched) == workload.changes, "a consumer that read the old feed to its end, then the new one"
    assert not out_of_order(switched)
