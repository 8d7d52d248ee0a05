"""Everything that one round runs on, and what a fault may ask of it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dbwatch.server import HOST
from tests.acceptance.oracle import Entry, read_feed
from tests.acceptance.processes import Job
from tests.clock import Clock
from tests.faults.flow import Flow
from tests.faults.follower import Follower
from tests.faults.history import History
from tests.faults.job import trap_env
from tests.faults.proxy import Proxy, Trap
from tests.faults.servers import Servers
from tests.faults.setup import Setup
from tests.faults.truth import Truth
from tests.faults.writer import Workload, Writer

_POLL_S = 0.01
_STEP_EVERY_S = 0.1
_RESTART_S = 0.3
_RESTARTS = 60


class RoundFailed(Exception):
    """What must not happen: the job ended, or something did not come within its time."""


class Rig:
    """Servers, proxies, workload, follower and the job; a context manager that stops what is not shared.

    `counted` counts what happened besides the faults: starts, ends by itself. Used by one thread.
    """

    def __init__(self, setup: Setup, servers: Servers, folder: Path, *, seed: int) -> None:
        self.setup = setup
        self.folder = folder
        self.counted: Counter[str] = Counter()
        self._stack = ExitStack()
        self._lines = 0
        try:
            self._build(setup, servers, folder, seed)
        except BaseException:
            self._stack.close()
            raise

    def _build(self, setup: Setup, servers: Servers, folder: Path, seed: int) -> None:
        stack = self._stack
        self.database = f"faults_{seed:08x}_{time.time_ns() % 10**9}"
        self.prefix = "faults"
        self.archive = folder / "archive"
        self.redis = servers.redis(setup.redis_kind, stack, folder, setup.redis_args)
        self.redis_proxy = stack.enter_context(Proxy(lambda: self.redis.port))
        self.mongo = servers.mongo(setup.mongo, stack, folder, setup.mongo_args, oplog_mb=setup.oplog_mb)
        writer = Writer(self.mongo.uri, self.database)
        stack.callback(writer.close)
        if setup.mongo != "own":
            stack.callback(writer.client.drop_database, self.database)
        writer.make_collections(images=setup.images)
        self.truth = Truth()
        history = History(seed, fleeting=setup.fleeting)
        self.workload = Workload(writer, history, self.truth, pause_s=setup.pause_s)
        self.streams = [f"{self.prefix}:{name}" for name in setup.streams]
        self.follower = Follower(self.redis.uri, self.streams)
        self.clock = Clock(folder / "clock") if setup.clock else None
        self.flow = stack.enter_context(self.make_flow(folder))
        self.flows = [self.flow]

    def make_flow(self, folder: Path) -> Flow:
        """The job with this folder for its log and recovery; the round's own, or another one beside it."""
        setup = self.setup
        return Flow(folder, self._settings(), setup.shape, views=setup.views, interval_s=setup.interval_s)

    def _settings(self) -> dict[str, str]:
        return {
            "MONGO_URI": self.mongo.flow_uri,
            "MONGO_DB": self.database,
            "REDIS_URL": f"redis://{HOST}:{self.redis_proxy.port}/0",
            "DBWATCH_PREFIX": self.prefix,
            "DBWATCH_MONGO_PARTITIONS": str(self.setup.partitions),
            "DBWATCH_STREAM_SHARDS": str(self.setup.shards),
            "DBWATCH_STREAM_MAXLEN": str(self.setup.maxlen),
            "DBWATCH_ARCHIVE": str(self.archive) if self.setup.archive else "off",
            **trap_env(self.folder),
            **(self.clock.env if self.clock else {}),
            **self.setup.environment,
        }

    def __enter__(self) -> Rig:
        self._stack.enter_context(self.follower)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def redis_client(self, *, timeout_s: float = 10.0) -> Redis:
        """Not through the proxy."""
        return Redis.from_url(
            self.redis.uri, decode_responses=True, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )

    def keep(self, job: Job) -> Job:
        """A process beside the job, which must not outlive the round."""
        return self._stack.enter_context(job)

    def feed(self, streams: Sequence[str]) -> list[Entry]:
        """What these streams hold now."""
        return read_feed(self.redis.uri, list(streams))

    def job(self) -> dict[str, str]:
        """The job's hash in Redis."""
        with self.redis_client() as client:
            return cast("dict[str, str]", client.hgetall(f"{self.prefix}:job"))

    def dead_letters(self) -> list[str]:
        """The positions of the changes that were set aside."""
        with self.redis_client() as client:
            found = cast("list[tuple[str, dict[str, str]]]", client.xrange(f"{self.prefix}:deadletter"))
        return [fields["position"] for _, fields in found]

    def phase(self) -> str:
        """How far the job has come, for the report."""
        last = self.follower.last()
        if last is None:
            return "before the first record"
        return "snapshot" if last.fields["op"] == "r" else "tail"

    def files(self) -> list[Path]:
        """Where the job writes on this machine: its logs and its recovery folder."""
        logs = [path for flow in self.flows for path in flow.log_paths()]
        return [*logs, *self.flow.recovery.glob("*")]

    # --- waiting, with an eye on the job ----------------------------------------------------------------------------

    def wait(self, met: Callable[[], Any], timeout_s: float = 20.0, *, what: str, watch: bool = True) -> None:
        """Until `met` gives something true; the job is started again meanwhile when it ended as it may.

        Raises `RoundFailed` when it is not met in time.
        """
        deadline = time.monotonic() + timeout_s
        while not met():
            if time.monotonic() > deadline:
                raise RoundFailed(f"not within {timeout_s:.0f} s: {what}")
            if watch:
                self.keep_running()
            time.sleep(_POLL_S)

    def within(self, met: Callable[[], Any], timeout_s: float) -> bool:
        """Whether it is met in time; the job is left alone."""
        deadline = time.monotonic() + timeout_s
        while not met():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def keep_running(self) -> None:
        """Start the job again if it ended, as a service manager would. Raises `RoundFailed` when it had no right to."""
        if self.workload.error is not None:
            raise RoundFailed(f"the workload failed: {self.workload.error}") from self.workload.error
        if self.flow.running:
            return
        statuses = self.flow.statuses(timeout_s=5.0)
        said = self.flow.last_words()
        if not any(re.search(pattern, line) for line in said for pattern in self.setup.expected):
            raise RoundFailed(f"the job ended by itself with {statuses}: {said}")
        self.counted["ended by itself, started again"] += 1
        if self.counted["ended by itself, started again"] > _RESTARTS:
            raise RoundFailed(f"the job ends again and again: {said}")
        time.sleep(_RESTART_S)
        self.flow.start()

    def spring(self, trap: Trap, timeout_s: float = 20.0) -> None:
        """Set the trap before Redis and wait until it has done its work; raises `RoundFailed` when nothing came.

        A job that ended as it may, as one that finds Redis full when it starts, is started again meanwhile.
        """
        self.redis_proxy.set(trap)
        try:
            deadline = time.monotonic() + timeout_s
            while not trap.sprung.is_set():
                if not self.flow.running and not trap.sprung.is_set():  # in this order: a trap may kill, once sprung
                    self.keep_running()
                    deadline = time.monotonic() + timeout_s
                if time.monotonic() > deadline:
                    raise RoundFailed(f"no batch came within {timeout_s:.0f} s for {type(trap).__name__}")
                if not self.workload.running:
                    self.workload.step()
                time.sleep(_POLL_S)
        finally:
            self.redis_proxy.set(None)

    def take_over(self) -> None:
        """Start another job in the place of ours, with the same recovery folder; from now on it is the round's."""
        folder = self.folder / f"taken-over-{self.flow.starts}"
        folder.mkdir()
        flow = self._stack.enter_context(self.make_flow(folder))
        flow.recovery = self.flow.recovery
        self.flows.append(flow)
        self.flow = flow
        self.restart()

    def restart(self) -> None:
        self.flow.start()
        self.counted["restarts"] += 1

    def until_begun(self) -> None:
        """Until the job has written its first record, and so knows where it began."""
        self.wait(lambda: self.follower.count, 30, what="the first record")

    def until_tail(self) -> None:
        """Until the job has read the collections and goes on in the change stream.

        Of a workload that came to its end before, the reading has seen everything; it takes a further change to tell.
        """
        self.until_begun()

        due = 0.0

        def in_the_tail() -> bool:
            nonlocal due
            if not self.workload.running and time.monotonic() >= due:  # at a pace that a busy machine keeps up with
                self.workload.step()
                due = time.monotonic() + _STEP_EVERY_S
            return self.phase() == "tail"

        self.wait(in_the_tail, 90, what="the tail")
