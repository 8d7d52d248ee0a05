"""Latency: from an acknowledged write to the entry in Redis and to the cell in a browser; what a restart does to it."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

from benchmarks import latency_figures as figures
from benchmarks import page
from benchmarks.bench import Bench, Result
from benchmarks.job import DATABASE, Job
from benchmarks.latency_figures import TARGET_RATE
from benchmarks.latency_page import plots, section
from benchmarks.meter import Meter
from benchmarks.percentiles import Percentiles
from benchmarks.servers import Servers
from benchmarks.stretch import Stretch
from benchmarks.trace import Trace
from benchmarks.workload import SEED, comments, insert, make_collections
from connectors.settings import DEFAULTS
from dbwatch.films import films
from dbwatch.people import authors, users

__all__ = ["plots", "run", "section"]

_EPOCH_S = 5.0


class Plan(NamedTuple):
    """What is measured, and for how long."""

    rates: tuple[int, ...] = (10, TARGET_RATE, 5000)
    page_rates: tuple[int, ...] = (10, TARGET_RATE, 5000)
    seconds: float = 25.0
    films: int = 2_000
    users: int = 1_000
    comments: int = 20_000
    before_s: float = 12.0
    away_s: float = 15.0
    after_s: float = 25.0
    drain_s: float = 40.0


QUICK = Plan(
    rates=(10, TARGET_RATE),
    page_rates=(TARGET_RATE,),
    seconds=7.0,
    before_s=4.0,
    away_s=4.0,
    after_s=10.0,
    drain_s=20.0,
)


def run(bench: Bench) -> Result:
    return measure(bench, QUICK if bench.quick else Plan())


def measure(bench: Bench, plan: Plan) -> dict[str, Any]:
    with Servers(bench.folder / "servers") as servers, _job(servers, bench) as job:
        _fill(servers, plan)
        job.start_and_tail()
        time.sleep(2 * _EPOCH_S)  # what the first read leaves to be kept is kept
        measuring = _Measuring(bench, plan, servers, job)
        found: dict[str, Any] = {str(rate): measuring.feed(rate) for rate in plan.rates}
        if page.can_be_opened():
            env = {**os.environ, "REDIS_URL": servers.valkey.uri, "DBWATCH_PREFIX": job.prefix}
            with page.opened(env, bench.folder / "page") as viewer:
                for rate in plan.page_rates:
                    found.setdefault(str(rate), {})["page"] = measuring.page(rate, viewer)
        recovery = measuring.recovery(TARGET_RATE)
        job.stop()
    return {"plan": plan._asdict(), "rates": found, "recovery": recovery, "figures": figures.of_rates(found)}


def _job(servers: Servers, bench: Bench) -> Job:
    settings = {"DBWATCH_STREAM_MAXLEN": DEFAULTS["DBWATCH_STREAM_MAXLEN"]}
    return Job(servers, bench.folder / "job", prefix="latency", settings=settings)


def _fill(servers: Servers, plan: Plan) -> None:
    db = servers.mongo[DATABASE]
    make_collections(db)
    made, people = list(films(count=plan.films, seed=SEED)), list(authors(count=plan.users, seed=SEED))
    insert(db, "movies", made)
    insert(db, "users", users(count=plan.users, seed=SEED))
    insert(db, "comments", comments(count=plan.comments, movies=[film["_id"] for film in made], people=people))


class _Measuring:
    """One stretch after the other, on the same running job."""

    def __init__(self, bench: Bench, plan: Plan, servers: Servers, job: Job) -> None:
        self._bench = bench
        self._plan = plan
        self._servers = servers
        self._job = job
        self._next = 0

    def _stretch(self, rate: int, seconds: float) -> Stretch:
        stretch = Stretch(
            self._servers,
            self._job,
            self._bench.folder / "traces",
            first=self._next,
            rate_per_s=rate,
            seconds=seconds,
            comments=(0, self._plan.comments),
        )
        self._next = stretch.next_first
        return stretch

    def feed(self, rate: int) -> dict[str, Any]:
        """Nobody looks at a page."""
        self._bench.progress.say(f"{rate:,} changes/s to the feed")
        with (
            Meter({"job": self._job.pids, **self._servers.pids}) as meter,
            self._stretch(rate, self._plan.seconds) as stretch,
        ):
            began_s = time.time()
            trace = stretch.finish(drain_s=self._plan.drain_s)
            cpu = {name: used.cpu_s for name, used in meter.between(began_s, time.time()).items()}
        self._tell(trace)
        return {**figures.to_feed(trace), "cpu_s": cpu}

    def page(self, rate: int, viewer: page.Viewer) -> dict[str, Any]:
        """The same while somebody looks."""
        self._bench.progress.say(f"{rate:,} changes/s to the page")
        viewer.seen()
        with self._stretch(rate, self._plan.seconds) as stretch:
            trace = stretch.finish(drain_s=self._plan.drain_s, meanwhile=viewer.wait_s)
            viewer.wait_s(1.0)
        shown = viewer.seen()
        found = figures.to_page(trace, shown)
        if found["acked"]:
            drawn = Percentiles.from_json(found["acked"])
            self._bench.progress.say(f"    to the cell: p50 {drawn.p50:,.0f} ms, p95 {drawn.p95:,.0f} ms")
        return found

    def recovery(self, rate: int) -> dict[str, Any]:
        """The job is killed, the writing goes on, the job is started again."""
        plan = self._plan
        self._bench.progress.say(f"killed for {plan.away_s:.0f} s at {rate:,} changes/s, then started again")
        with self._stretch(rate, plan.before_s + plan.away_s + plan.after_s) as stretch:
            time.sleep(plan.before_s)
            self._job.kill()
            killed_ms = time.time_ns() / 1e6
            time.sleep(plan.away_s)
            started_ms = time.time_ns() / 1e6
            self._job.start()
            trace = stretch.finish(drain_s=plan.drain_s)
        found = figures.recovery(trace, killed_ms=killed_ms, started_ms=started_ms)
        self._bench.progress.say(
            f"    behind by {found['behind']:,}, back after {found['back_s'] or float('nan'):.1f} s"
        )
        return {"rate_per_s": rate, **found}

    def _tell(self, trace: Trace) -> None:
        acked = trace.percentiles()
        assert acked is not None
        said = f"    reached {trace.rate_per_s:,.0f}/s; to Redis p50 {acked.p50:,.1f} ms, p99 {acked.p99:,.1f} ms"
        self._bench.progress.say(said)
