"""Replays of a real job's past, on real servers: from a snapshot and from the image, killed and gone on with, handed
over to a job, and into a stream that Redis has lost.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from flows.recovery import make_store
from tests.acceptance.oracle import Document, Entry, RowKey, batch_join, differences, forward, read_feed
from tests.acceptance.processes import DBWATCH, ENGINE, ROOT, Job
from tests.acceptance.workload import Workload
from tests.conftest import wait_until

Settings = dict[str, str]
LOOKUPS = ("movie", "user")


class Past:
    """A job that keeps an archive, its database, and replays of it."""

    def __init__(self, settings: Settings, folder: Path, mongo: MongoClient[Document], redis: Redis) -> None:
        self.settings, self.folder, self.redis = settings, folder, redis
        self.mongo, self.database = mongo, settings["MONGO_DB"]
        make_store(folder / "recovery")
        self.job = Job(folder, settings, [*ENGINE, "-r", str(folder / "recovery"), "-s", "1"])
        self.workload = Workload(mongo, self.database, 11)
        self.before = self.workload.fill(80)

    @property
    def stream(self) -> str:
        return f"{self.settings['DBWATCH_PREFIX']}:changes"

    def stream_of(self, replay: str) -> str:
        return f"{self.settings['DBWATCH_PREFIX']}:replay:{replay}"

    def known(self) -> Any:
        """What Redis knows of the job."""
        return self.redis.hgetall(f"{self.settings['DBWATCH_PREFIX']}:job")

    def both(self, replay: str, settings: Settings) -> list[Entry]:
        """What a consumer has that goes from the replay to the job after it."""
        return self.feed(self.stream_of(replay)) + self.feed(f"{settings['DBWATCH_PREFIX']}:changes")

    def feed(self, stream: str = "") -> list[Entry]:
        return read_feed(self.settings["REDIS_URL"], [stream or self.stream])

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.workload.step()

    def wrong(self, feed: list[Entry]) -> list[str]:
        joined = batch_join(self.mongo, self.database)
        return differences(feed, joined, self.workload.changes, snapshot=self.before)

    def until_even(self, stream: str = "") -> None:
        wait_until(lambda: not self.wrong(self.feed(stream)), 40, what="a feed that says what the database holds")

    def is_level(self) -> bool:
        """Whether the last record of each row says what the database holds."""
        joined, found = batch_join(self.mongo, self.database), last(self.feed())
        return all(found.get(row) == joined.get(row) for row in {*joined, *found})

    def command(self, *args: str) -> list[str]:
        return [*DBWATCH, *args]

    def run(self, *args: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        done = subprocess.run(
            self.command(*args),
            env={**self.job.env, **(env or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
        )
        return done.returncode, done.stdout, done.stderr

    def replay(self, *args: str) -> dict[str, Any]:
        status, out, err = self.run("replay", "--json", *args)
        assert status == 0, err
        return json.loads(out)


@pytest.fixture
def past(settings: dict[str, str], redis_url: str, tmp_path: Path, mongo: MongoClient[Document]) -> Generator[Past]:
    settings |= {
        "DBWATCH_ARCHIVE": str(tmp_path / "archive"),
        "DBWATCH_MONGO_PARTITIONS": "2",
    }
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        past = Past(settings, tmp_path, mongo, redis)
        with past.job:
            yield past


def own(feed: list[Entry]) -> dict[RowKey, list[Any]]:
    """Of each row the records without cause, without what was looked up: that may have come sooner or later."""
    found: defaultdict[RowKey, list[Any]] = defaultdict(list)
    for entry in feed:
        if "cause" not in entry.fields:
            after = entry.json("after")
            row = after and {name: value for name, value in after.items() if name not in LOOKUPS}
            found[entry.row_key].append((entry.fields["op"], entry.fields["position"], entry.fields["ts_ms"], row))
    return dict(found)


def last(feed: list[Entry]) -> dict[RowKey, Any]:
    return {entry.row_key: entry.json("after") for entry in feed}


def repeated(feed: list[Entry]) -> list[Any]:
    """Versions of rows that have more than one record without cause, and records that are not forward of the last."""
    versions = Counter((e.row_key, e.json("versions")["row"]) for e in feed if "cause" not in e.fields)
    by_row: defaultdict[RowKey, list[Entry]] = defaultdict(list)
    for entry in feed:
        by_row[entry.row_key].append(entry)
    back = [b for entries in by_row.values() for a, b in pairwise(entries) if not forward(a, b)]
    return [*back, *(version for version, count in versions.items() if count > 1)]


def reach(entry: Entry) -> str:
    return max(entry.fields["position"], entry.json("versions")["row"])


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_replay_gives_what_the_live_job_gave_and_a_job_goes_on_right_after_it(past: Past) -> None:
    past.job.start()
    wait_until(past.feed, 30, what="the first record")
    past.steps(100)
    past.job.kill()
    past.job.start()
    past.steps(50)
    wait_until(lambda: past.run("snapshot", "save", "mid", "-r", "recovery")[0] == 0, 20, what="a snapshot")
    past.steps(100)
    past.until_even()
    past.job.kill()
    past.job.start()
    past.steps(60)
    past.until_even()
    assert past.job.stop() == 0
    live, recovery, known = past.feed(), files(past.folder / "recovery"), past.known()
    expect_all(past, live)
    expect_what_came_after_the_snapshot(past, live)
    expect_the_same_by_the_engine(past)
    assert (past.feed(), files(past.folder / "recovery"), past.known()) == (live, recovery, known)
    expect_a_job_after_it(past)


def expect_all(past: Past, live: list[Entry]) -> None:
    summary = past.replay("--name", "whole")
    whole = past.feed(past.stream_of("whole"))
    assert past.wrong(whole) == []
    assert own(whole) == own(live)
    assert last(whole) == last(live)
    assert sum(summary["written"].values()) == len(whole)


def expect_what_came_after_the_snapshot(past: Past, live: list[Entry]) -> None:
    summary = past.replay("--name", "part", "--from", "mid")
    part = past.feed(past.stream_of("part"))
    assert {row: own(live)[row][-len(found) :] for row, found in own(part).items()} == own(part)
    assert {row: last(live)[row] for row in last(part)} == last(part)
    reached = json.loads((past.folder / "snapshots" / "mid" / "snapshot.json").read_text())["partitions"]
    upto = max(partition["position"] for partition in reached.values())
    assert summary["from_ms"] == min(int(partition["position"][:8], 16) for partition in reached.values()) * 1000
    for row, found in own(live).items():
        after = [one for one in found if one[1] > upto]
        assert own(part).get(row, [])[-len(after) :] == after or not after


def expect_the_same_by_the_engine(past: Past) -> None:
    copy = shutil.copytree(past.folder / "snapshots" / "mid", past.folder / "copy")
    engine = [sys.executable, "-m", "bytewax.run", "flows.replay:flow", "-r", str(copy)]
    env = {**past.job.env, "DBWATCH_REPLAY_NAME": "engine"}
    (copy / "snapshot.json").unlink()
    done = subprocess.run(engine, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert own(past.feed(past.stream_of("engine"))) == own(past.feed(past.stream_of("part")))


def expect_a_job_after_it(past: Past) -> None:
    own_prefix = {**past.settings, "DBWATCH_PREFIX": f"{past.settings['DBWATCH_PREFIX']}:next"}
    folder = past.folder / "replays" / "whole" / "recovery"
    past.steps(40)
    with Job(past.folder, own_prefix, [*ENGINE, "-r", str(folder), "-s", "1"]) as after:
        after.start()
        wait_until(lambda: past.wrong(past.both("whole", own_prefix)) == [], 40, what="what happened since the replay")
        after.kill()
        after.start()
        past.steps(20)
        wait_until(lambda: past.wrong(past.both("whole", own_prefix)) == [], 40, what="what happened after the kill")


def test_what_redis_lost_is_written_again_and_the_job_goes_on_without_losing_or_repeating_a_change(past: Past) -> None:
    past.job.start()
    wait_until(past.feed, 30, what="the first record")
    past.steps(60)
    past.until_even()
    status, _, err = past.run("replay", "--into", "changes", "--name", "mend")
    assert (status, "another job writes here already" in err) == (2, True), err
    lost = past.redis.keys(f"{past.settings['DBWATCH_PREFIX']}:*")
    past.redis.delete(*lost)
    past.steps(40)
    assert past.job.wait() == 2
    past.steps(40)
    second = int(time.time())  # into the live stream, now is the end of the second before
    wait_until(lambda: int(time.time()) > second, what="the second of the last change is over")
    replay = subprocess.Popen(
        past.command("replay", "--into", "changes", "--name", "mend", "--replace"),
        env=past.job.env,
        cwd=past.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(past.feed, 30, what="the first record of the replay")
    replay.kill()
    replay.wait()
    if past.redis.hget(f"{past.settings['DBWATCH_PREFIX']}:replay:mend:job", "state") == "running":
        past.replay("--into", "changes", "--name", "mend")
    assert past.wrong(past.feed()) == []
    cut = past.redis.hget(f"{past.settings['DBWATCH_PREFIX']}:replay:mend:job", "cut")
    assert cut not in {entry.fields["position"][:16] for entry in past.feed()}, "a row read then would come twice"
    past.steps(40)
    past.job.start()
    past.until_even()
    assert past.run("verify")[0] == 0


@pytest.mark.soak
@pytest.mark.parametrize("share", [pytest.param(2 / 3, id="most"), pytest.param(1 / 10, id="little")])
def test_a_stream_with_holes_is_filled_from_a_snapshot_without_repeating_what_it_holds(
    past: Past, share: float
) -> None:
    past.job.env["DBWATCH_STREAM_MAXLEN"] = "100"
    past.job.start()
    wait_until(past.feed, 30, what="the first record")
    past.steps(60)
    wait_until(lambda: past.run("snapshot", "save", "mid", "-r", "recovery")[0] == 0, 20, what="a snapshot")
    past.steps(100)
    wait_until(past.is_level, 40, what="a feed that says what the database holds")
    assert past.job.stop() == 0
    past.redis.xtrim(past.stream, maxlen=int(len(past.feed()) * share), approximate=False)
    held = past.feed()
    some = {entry.row_key for entry in held[::9]}
    past.redis.xdel(past.stream, *(e.id for i, e in enumerate(held) if e.row_key in some or i % 4 == 0), held[-1].id)
    left = past.feed()

    summary = past.replay("--into", "changes", "--from", "mid", "--name", "mend")
    assert past.feed()[: len(left)] == left
    assert (summary["left_out"] > 0, sum(summary["written"].values())) == (True, len(past.feed()) - len(left))
    assert repeated(past.feed()) == []
    written = [reach(entry) for entry in past.feed()[len(left) :] if "cause" not in entry.fields]
    if share < 0.5:
        assert min(written) >= min(map(reach, left)), "what was trimmed is not written again"
    past.steps(20)
    past.job.start()
    wait_until(past.is_level, 40, what="what came after the replay")
    assert repeated(past.feed()) == []
    assert past.run("verify")[0] == 0

    def is_trimmed() -> bool:
        past.steps(20)
        return past.feed()[0].id != left[0].id

    wait_until(is_trimmed, 30, what="a stream that is trimmed again")


def test_other_views_run_over_the_same_past_and_a_stopped_replay_goes_on(past: Past) -> None:
    past.job.start()
    wait_until(past.feed, 30, what="the first record")
    past.steps(60)
    past.until_even()
    wait_until(lambda: past.run("snapshot", "save", "mid", "-r", "recovery")[0] == 0, 20, what="a snapshot")
    past.replay("--name", "after", "--from", "mid")
    past.replay("--name", "beside")  # what is not surely kept yet comes from the database's own log
    assert own(past.feed(past.stream_of("beside"))) == own(past.feed())
    assert past.wrong(past.feed(past.stream_of("beside"))) == []
    assert past.job.stop() == 0
    other = past.folder / "other.toml"
    other.write_text(
        '[views.comments]\n[views.comments.lookups.film]\ncollection = "movies"\nlocal = "movie_id"\n'
        'fields = ["year"]\nmask = ["title"]\n'
    )
    args = ("replay", "--name", "other", "--config", str(other))
    status, _, err = past.run(*args, "--from", "mid")
    assert (status, "leave the snapshot out" in err, err.count("\n")) == (2, True, 1), err
    replay = subprocess.Popen(
        past.command(*args, "--replace"),
        env=past.job.env,
        cwd=past.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: past.feed(past.stream_of("other")), 30, what="the first record of the replay")
    replay.send_signal(signal.SIGINT)
    assert replay.wait(timeout=20) in (0, 130)
    status, _, err = past.run(*args)
    assert status == 0 or "come to its end" in err, err
    found = {row: after for row, after in last(past.feed(past.stream_of("other"))).items() if after is not None}
    joined = batch_join(past.mongo, past.database)
    assert {row for row in joined if row[0] == "comments"} == found.keys()
    years = {row[1]: after.get("year") for row, after in joined.items() if row[0] == "movies"}
    for (_, key), after in found.items():
        movie = after.pop("film")
        assert movie is None or set(movie) <= {"year"}
        assert movie is None or movie.get("year") in years.values()
        assert {n: v for n, v in joined["comments", key].items() if n not in LOOKUPS} == after
