"""What a backlog can be given to: each writes it to streams of its own, from a position of its own."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis

from benchmarks.feed import length, read_feed
from benchmarks.job import Job
from benchmarks.meter import Meter
from benchmarks.names import CLUSTER, FULL, FULL_OFF, PLAIN, PLAIN_OFF, SNAPSHOT, SNAPSHOT_PLAIN
from benchmarks.processes import BenchmarkError
from benchmarks.profile import profiler, summary
from benchmarks.results import Feed, Run, Span, span
from benchmarks.servers import Servers
from benchmarks.workload import Loaded, Sizes

_POLL_S = 0.05
_STILL_S = 2.0
_PATIENCE_S = 20.0
_TIMEOUT_S = 600.0
_CAUSED_AT_LEAST = 0.9


class World(NamedTuple):
    """What the subjects of one experiment share."""

    servers: Servers
    folder: Path
    sizes: Sizes


class Subject(ABC):
    """One way to bring the backlog to Redis. `prepare` comes before the backlog is written, `run` after it, both once
    for each round; `close` ends whatever is left.
    """

    name: str
    """As the page calls it; the result is kept under it."""

    def prepare(self, world: World, round_no: int) -> None:  # noqa: B027 some need none
        """Take a position before the backlog. May leave processes behind that stand still until their turn."""

    @abstractmethod
    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        """Raises `BenchmarkError` when it did not write exactly what it should have."""

    def close(self) -> None:  # noqa: B027 most leave nothing
        """End what still runs."""


class JobSubject(Subject):
    """The job. With recovery it is started on the empty collections and stopped; its run is a restart, which goes on
    from its checkpoint. Without recovery a restart would begin anew, so it is suspended until its turn instead.
    """

    def __init__(self, name: str, **options: Any) -> None:
        """`options` are those of `Job`."""
        self.name = name
        self._options = options
        self._jobs: dict[int, Job] = {}

    def _job(self, world: World, round_no: int) -> Job:
        prefix = f"{''.join(c if c.isalnum() else '-' for c in self.name)}.{round_no}"
        return Job(world.servers, world.folder / prefix, prefix=prefix, **self._options)

    def prepare(self, world: World, round_no: int) -> None:
        job = self._jobs[round_no] = self._job(world, round_no)
        job.start_and_tail()
        if self._options.get("recovery", True):
            job.stop()
        else:
            job.suspend()

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        with self._jobs.pop(round_no) as job:
            if self._options.get("recovery", True):
                job.start()
            else:
                job.resume()
            return measured(world, job, expected=loaded.own, reached=loaded.reached if self.joins else 0)

    @property
    def joins(self) -> bool:
        return self._options.get("views") is None

    def close(self) -> None:
        for job in self._jobs.values():
            job.kill()
        self._jobs.clear()


class ProfiledSubject(JobSubject):
    """A run of the job under the profiler, whose rate says little; `samples` tell where it spent its time."""

    samples: Mapping[str, Any] | None = None

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        out = world.folder / "profile.txt"
        self._options["profiler"] = profiler(out)
        self._jobs[round_no] = self._job(world, round_no)
        run = super().run(world, loaded, round_no)
        self.samples = summary(out.read_text(encoding="utf-8"))
        return run


class SnapshotSubject(JobSubject):
    """The first read of collections that hold the same data: a job that has not run before."""

    def prepare(self, world: World, round_no: int) -> None:
        """It has no position."""

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        sizes = world.sizes
        rows = {"movies r": sizes.movies, "users r": sizes.users, "comments r": sizes.comments}
        with self._job(world, round_no) as job:
            job.start()
            return measured(world, job, expected={what: count for what, count in rows.items() if count}, reached=None)


def measured(world: World, job: Job, *, expected: Mapping[str, int], reached: int | None) -> Run:
    """Until the job has written it all; its streams are deleted. Raises `BenchmarkError` when that is not exactly what
    was expected.

    `reached` is how many entries lookups should have caused, None for any number. There are some more when comments are
    read in the same batch as their films and users, and may be a few fewer when a comment is joined late.
    """
    servers, changes = world.servers, sum(expected.values())
    with Meter({"job": job.pids, **servers.pids}) as meter:
        _wait_written(servers.redis, job, changes, reached)
    job.stop()
    feed = read_feed(servers.redis, job.keys.changes)
    servers.forget(job.prefix)
    expect(feed, expected, reached, who=job.prefix)
    return run_of(feed, meter)


def expect(feed: Feed, expected: Mapping[str, int], reached: int | None, *, who: str) -> None:
    """Raises `BenchmarkError` unless these entries are there, each once, and of those that were caused enough. Pure."""
    changes = sum(expected.values())
    caused_is_right = not feed.caused if reached == 0 else _is_complete(feed, changes, reached)
    if dict(feed.own) != dict(expected) or feed.distinct != changes or not caused_is_right:
        raise BenchmarkError(
            f"{who}: expected the entries {dict(expected)}, each once, and about {reached or 0} that lookups caused; "
            f"found {dict(feed.own)}, {feed.distinct} distinct, and {feed.caused} that were caused"
        )


def _wait_written(redis: Redis, job: Job, changes: int, reached: int | None) -> None:
    """Until all is there or nothing more comes. When some entries are caused, their number alone does not say; so the
    streams are looked over, but only once the job stands still.
    """
    streams = job.keys.changes
    _wait_still(redis, job, changes, still_s=0.0 if reached == 0 else _STILL_S)
    if reached == 0 or _is_complete(read_feed(redis, streams), changes, reached):
        return
    before = -1
    while (now := length(redis, streams)) != before and not _is_complete(read_feed(redis, streams), changes, reached):
        before = now
        _wait_still(redis, job, changes, still_s=_PATIENCE_S)


def _wait_still(redis: Redis, job: Job, changes: int, *, still_s: float) -> None:
    """Until as many entries are there, and for so long no more have come."""
    deadline_s = time.monotonic() + _TIMEOUT_S
    last, last_s = -1, time.monotonic()
    while True:
        now, now_s = length(redis, job.keys.changes), time.monotonic()
        if now != last:
            last, last_s = now, now_s
        if now >= changes and now_s - last_s >= still_s:
            return
        job.expect_running()
        if now_s > deadline_s:
            raise BenchmarkError(f"{job.prefix}: expected {changes} entries within {_TIMEOUT_S:.0f} s, found {now}")
        time.sleep(_POLL_S)


def _is_complete(feed: Feed, changes: int, reached: int | None) -> bool:
    return feed.changes >= changes and feed.caused >= _CAUSED_AT_LEAST * (reached or 0)


def run_of(found: Feed | Span, meter: Meter) -> Run:
    """What the measured part of a run came to, as the entries' times tell it, or as is said."""
    part = found if isinstance(found, Span) else span(found)
    used = meter.between(part.start_s, part.end_s)
    return Run(
        part.rate_per_s,
        0 if isinstance(found, Span) else found.caused,
        {name: usage.cpu_s / part.changes * 1e6 for name, usage in used.items()},
        {name: usage.peak_mb for name, usage in used.items()},
    )


def jobs(pass_through: str) -> Sequence[Subject]:
    """The subjects that are the job; `pass_through` are views without lookups."""
    return (
        JobSubject(FULL),
        JobSubject(FULL_OFF, recovery=False),
        JobSubject(CLUSTER, processes=2, partitions=2, shards=2),
        JobSubject(PLAIN, views=pass_through),
        JobSubject(PLAIN_OFF, views=pass_through, recovery=False),
        SnapshotSubject(SNAPSHOT),
        SnapshotSubject(SNAPSHOT_PLAIN, views=pass_through),
    )
