"""Growth: what ten thousand, a hundred thousand and a million rows of state do to the job, and what a looked-up row
does that very many refer to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from pymongo import UpdateOne

from benchmarks import growth_figures as figures
from benchmarks.bench import Bench, Result
from benchmarks.growth_page import plots, section
from benchmarks.job import DATABASE, Job
from benchmarks.marks import mark
from benchmarks.meter import Meter
from benchmarks.processes import BenchmarkError
from benchmarks.servers import Document, Servers
from benchmarks.store_watch import StoreWatch
from benchmarks.stretch import Stretch
from benchmarks.workload import SEED, comments, insert, make_collections
from connectors.settings import DEFAULTS
from dbwatch.films import films
from dbwatch.people import authors, users
from dbwatch.sample_ids import object_id

__all__ = ["plots", "run", "section"]

_EPOCH_S = 5.0
_BATCH = 2000
# A million rows may take longer to read than the server keeps a snapshot by itself (docs/sources-mongodb.md).
_MONGOD = ("--setParameter", "minSnapshotHistoryWindowInSeconds=3600")
_LONG_EPOCH = {"BYTEWAX_SNAPSHOT_INTERVAL": "3600"}
_EDITS = {"comment_text": 95.0, "film_votes": 5.0}
"""Changes that leave as many rows as there are."""


class Plan(NamedTuple):
    """What is measured. `store_rows` is the size at which the recovery store is watched for longer."""

    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    fan_outs: tuple[int, ...] = (10, 1_000, 100_000)
    films: int = 2_000
    users: int = 1_000
    rate: int = 1_000
    steady_s: float = 16.0
    store_rows: int = 100_000
    store_s: float = 80.0
    backlog: int = 40_000
    around_s: float = 5.0
    drain_s: float = 60.0
    timeout_s: float = 600.0


QUICK = Plan(
    sizes=(10_000, 50_000),
    fan_outs=(10, 1_000, 10_000),
    films=400,
    users=200,
    steady_s=11.0,
    store_s=11.0,
    backlog=10_000,
    around_s=2.0,
)


def run(bench: Bench) -> Result:
    return measure(bench, QUICK if bench.quick else Plan())


def measure(bench: Bench, plan: Plan) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    with Servers(bench.folder / "servers", mongod_args=_MONGOD) as servers:
        growing = _Growing(bench, plan, servers)
        growing.begin()
        *smaller, largest = plan.sizes
        for rows in smaller:
            growing.grow_to(rows)
            with growing.job(rows) as job:
                sizes[str(rows)] = growing.size(job, rows)
                job.stop()
            servers.forget(job.prefix)
        growing.grow_to(largest)
        with growing.job(largest) as job:
            sizes[str(largest)] = growing.size(job, largest)
            fan_outs = [growing.fan_out(job, count) for count in plan.fan_outs]
            resumed = growing.resume(job, largest)
    result: dict[str, Any] = {"plan": plan._asdict(), "sizes": sizes, "fan_outs": fan_outs, "resume": resumed}
    return {**result, "figures": figures.of_result(result)}


class _Growing:
    """One database that grows, and for each size a job that begins anew."""

    def __init__(self, bench: Bench, plan: Plan, servers: Servers) -> None:
        self._bench = bench
        self._plan = plan
        self._servers = servers
        self._db = servers.mongo[DATABASE]
        self._films = [object_id("movies", number, seed=SEED) for number in range(plan.films)]
        # Of the last size, so many comments each are on a film of their own.
        self._popular = {count: object_id("popular", i, seed=SEED) for i, count in enumerate(plan.fan_outs)}
        self._rows = self._fresh = 0
        self._next = 0

    def begin(self) -> None:
        """Films and users, and no comments yet."""
        make_collections(self._db)
        self._db.comments.drop_indexes()  # this job never looks comments up; a million rows go in faster without
        made = [*films(count=self._plan.films, seed=SEED)]
        insert(self._db, "movies", made)
        insert(self._db, "movies", ({**made[i], "_id": key} for i, key in enumerate(self._popular.values())))
        insert(self._db, "users", users(count=self._plan.users, seed=SEED))

    def grow_to(self, rows: int) -> None:
        self._bench.progress.say(f"writing comments, up to {rows:,}")
        people = list(authors(count=self._plan.users, seed=SEED))
        more = comments(count=rows - self._rows, movies=self._films, people=people, first=self._rows)
        if rows == self._plan.sizes[-1]:
            more = self._spread(more)
        insert(self._db, "comments", more)
        self._rows, self._fresh = rows, rows - self._rows

    def _spread(self, rows: Iterator[Document]) -> Iterator[Document]:
        """The first of the rows go to the popular films."""
        wanted = (key for count, key in self._popular.items() for _ in range(count))
        for row in rows:
            yield {**row, "movie_id": next(wanted, row["movie_id"])}

    def job(self, rows: int, **settings: str) -> Job:
        """With the default bound of its stream, so that Redis need not hold millions of entries."""
        maxlen = {"DBWATCH_STREAM_MAXLEN": DEFAULTS["DBWATCH_STREAM_MAXLEN"]}
        prefix = f"growth-{rows}"
        return Job(self._servers, self._bench.folder / prefix, prefix=prefix, settings={**maxlen, **settings})

    def size(self, job: Job, rows: int) -> dict[str, Any]:
        """The state is built by the first read; then changes come at a rate, then a backlog of them."""
        plan = self._plan
        self._bench.progress.say(f"{rows:,} rows: the first read")
        documents = rows + plan.films + len(plan.fan_outs) + plan.users
        job.start()
        with Meter({"job": job.pids}) as meter, StoreWatch(job.recovery_folder) as store:
            began_s = self._wait_added(job, 1)
            self._wait_added(job, documents)
            read = self._since(meter, began_s, documents)
            job.wait_tailing(timeout_s=plan.timeout_s)
            self._settle(job)
            built_bytes = store.bytes_now
            seconds = plan.store_s if rows == plan.store_rows else plan.steady_s
            steady = self._steady(job, meter, seconds, rows)
            backlog = self._backlog(job, meter, rows)
            peak = meter.between(began_s - 10, time.time())["job"].peak_mb
        found: dict[str, Any] = {
            "documents": documents,
            "first_read": read,
            "peak_mb": peak,
            "store_bytes": built_bytes,
            "store_line": store.line,
            "steady": steady,
            "backlog": backlog,
        }
        self._bench.progress.say(figures.size_line(found))
        return found

    def _steady(self, job: Job, meter: Meter, seconds: float, rows: int) -> dict[str, Any]:
        """Edits of random comments at a rate."""
        self._bench.progress.say(f"    {self._plan.rate:,} changes/s for {seconds:.0f} s")
        with self._stretch(job, seconds, rows) as stretch:
            trace = stretch.finish(drain_s=self._plan.drain_s)
        start_s, end_s = trace.moments[0].due / 1000, trace.moments[-1].due / 1000
        cpu_s = meter.between(start_s, end_s)["job"].cpu_s
        return {"cpu_share": cpu_s / (end_s - start_s), "from_s": start_s, "to_s": end_s, **figures.steady(trace)}

    def _stretch(self, job: Job, seconds: float, rows: int, *, extra: int = 0) -> Stretch:
        """Edits of any comments but those on popular films, whose own changes would be taken for their film's."""
        is_last = rows == self._plan.sizes[-1]
        first = rows - self._fresh + sum(self._plan.fan_outs) if is_last else 0
        stretch = Stretch(
            self._servers,
            job,
            self._bench.folder / "traces",
            first=self._next,
            extra=extra,
            rate_per_s=self._plan.rate,
            seconds=seconds,
            comments=(first, rows),
            mix=_EDITS,
        )
        self._next = stretch.next_first
        return stretch

    def _since(self, meter: Meter, began_s: float, changes: int) -> dict[str, float]:
        """How fast the changes were made since then, and the job's CPU time for a million of them."""
        now_s = time.time()
        cpu_s = meter.between(began_s, now_s)["job"].cpu_s
        return {"per_s": changes / (now_s - began_s), "cpu_s_per_million": cpu_s * 1e6 / changes}

    def _backlog(self, job: Job, meter: Meter, rows: int) -> dict[str, float]:
        """What the job makes of edits that wait for it, each of another comment as far as there are so many."""
        plan, before = self._plan, self._added(job)
        step = max(1, rows // plan.backlog)
        job.suspend()
        try:
            for first in range(0, plan.backlog, _BATCH):
                edits = [
                    self._edit(i * step % rows, f"{i} of {rows}")
                    for i in range(first, min(first + _BATCH, plan.backlog))
                ]
                self._db.comments.bulk_write(edits, ordered=False)
        finally:
            began_s = time.time()
            job.resume()
        self._wait_added(job, before + plan.backlog)
        return self._since(meter, began_s, plan.backlog)

    def _edit(self, comment: int, tag: str) -> UpdateOne:
        """To a text that it never had, for an edit that changes nothing is no change."""
        key = object_id("comments", comment, seed=SEED)
        return UpdateOne({"_id": key}, {"$set": {"text": f"Edited, number {tag}. {'Well, well. ' * 8}"}})

    def fan_out(self, job: Job, count: int) -> dict[str, Any]:
        """The title of a film changes on which there are `count` comments, while others are edited."""
        plan = self._plan
        self._bench.progress.say(f"a title change that reaches {count:,} comments")
        seconds = 2 * plan.around_s + count / 10_000
        with self._stretch(job, seconds, plan.sizes[-1], extra=1) as stretch:
            time.sleep(plan.around_s)
            title = f"Take {mark('movies', stretch.extra_number)}"
            self._db.movies.update_one({"_id": self._popular[count]}, {"$set": {"title": title}})
            at_ms = time.time_ns() / 1e6
            trace = stretch.finish(drain_s=plan.timeout_s, caused=count)
        found = figures.fan_out(trace, number=stretch.extra_number, at_ms=at_ms, count=count)
        if found["reached"] != count:
            raise BenchmarkError(f"a title change should have reached {count} comments; found {found['reached']}")
        self._bench.progress.say(figures.fan_out_line(found))
        return found

    def resume(self, job: Job, rows: int) -> dict[str, Any]:
        """The job is killed while changes come, and started again, with an epoch that does not end any more."""
        plan = self._plan
        self._bench.progress.say(f"killed with {rows:,} rows, then started again")
        with self._stretch(job, 3 * plan.around_s, rows) as stretch:
            time.sleep(plan.around_s)
            job.kill()
            before = self._added(job)
            with self.job(rows, **_LONG_EPOCH) as again:
                began_s = time.monotonic()
                again.start()
                self._wait_added(again, before + 1)
                first_s = time.monotonic() - began_s
                stretch.finish(drain_s=plan.timeout_s)
                caught_up_s = time.monotonic() - began_s
                with Meter({"job": again.pids}) as meter:
                    without = self._steady(again, meter, plan.steady_s, rows)
                    peak = meter.between(0, time.time())["job"].peak_mb
                again.kill()  # its last snapshot would be that of all its changes
        found = {"first_entry_s": first_s, "caught_up_s": caught_up_s, "peak_mb": peak, "without_epochs": without}
        self._bench.progress.say(f"    the first new entry after {first_s:.1f} s")
        return found

    def _settle(self, job: Job) -> None:
        """Until the snapshots of what was read last are written: two changes come through, more than an epoch apart."""
        for _ in range(2):
            before = self._added(job)
            self._db.users.update_one({"_id": object_id("users", 0, seed=SEED)}, {"$inc": {"seen": 1}})
            self._wait_added(job, before + 1)
            time.sleep(_EPOCH_S + 0.5)

    def _added(self, job: Job) -> int:
        """How many entries were ever written to the job's stream."""
        stream = job.keys.changes[0]
        if not self._servers.redis.exists(stream):
            return 0
        return int(cast("Mapping[str, Any]", self._servers.redis.xinfo_stream(stream))["entries-added"])

    def _wait_added(self, job: Job, count: int) -> float:
        """Until so many entries were written; the Unix time then."""
        deadline_s = time.monotonic() + self._plan.timeout_s
        while self._added(job) < count:
            job.expect_running()
            if time.monotonic() > deadline_s:
                raise BenchmarkError(f"{job.prefix}: expected {count} entries, found {self._added(job)}")
            time.sleep(0.02)
        return time.time()
