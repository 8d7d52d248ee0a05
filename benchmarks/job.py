"""The live job as its users start it: `python -m bytewax.run flows.watch:flow`, one process or a cluster of several."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.processes import PYTHON, ROOT, BenchmarkError, Child
from benchmarks.servers import Servers
from connectors.settings import Keys
from flows.recovery import make_store

DATABASE = "sample_mflix"
FULL_JOIN = ROOT / "dbwatch" / "sample_mflix.toml"
WITHOUT_LOOKUPS = "[views.movies]\n[views.users]\nmask = ['password']\n[views.comments]\n"
"""The same collections without lookups."""

UNTRIMMED = 10_000_000
_POLL_S = 0.02
_START_TIMEOUT_S = 120.0


class Job:
    """One job under a prefix of its own; it may be started and stopped again and again. A context manager that leaves
    nothing running.

    `views` is the text of a `dbwatch.toml`, None for the full join of the sample data. Settings not named here are the
    defaults, but that the streams keep every entry and that metrics are served at any free port.
    """

    def __init__(
        self,
        servers: Servers,
        folder: Path,
        *,
        prefix: str,
        views: str | None = None,
        recovery: bool = True,
        processes: int = 1,
        partitions: int = 1,
        shards: int = 1,
        settings: Mapping[str, str] | None = None,
        profiler: tuple[str, ...] = (),
    ) -> None:
        """`profiler` stands before the command of the first process."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.prefix = prefix
        self.keys = Keys(prefix, shards)
        self._redis = servers.redis
        self._recovery = recovery
        config = FULL_JOIN
        if views is not None:
            config = folder / "dbwatch.toml"
            config.write_text(views, encoding="utf-8")
        env = {
            **_environment(servers),
            "DBWATCH_PREFIX": prefix,
            "DBWATCH_CONFIG": str(config),
            "DBWATCH_STREAM_SHARDS": str(shards),
            "DBWATCH_MONGO_PARTITIONS": str(partitions),
            **(settings or {}),
        }
        commands = _commands(self.recovery_folder if recovery else None, processes)
        commands[0] = [*profiler, *commands[0]]
        self._is_profiled = bool(profiler)
        self.children = [
            Child(f"the job {prefix}, process {i}", each, log=folder / f"job-{i}.log", env=env)
            for i, each in enumerate(commands)
        ]

    @property
    def recovery_folder(self) -> Path:
        return self.folder / "recovery"

    @property
    def pids(self) -> list[int]:
        return [child.pid for child in self.children]

    def start(self) -> None:
        if self._recovery:
            make_store(self.recovery_folder)
        self._redis.delete(self.keys.health)
        for child in self.children:
            child.start()

    def start_and_tail(self) -> None:
        """Start, and return when every process has read the collections and follows what changes."""
        self.start()
        self.wait_tailing()

    def wait_tailing(self, *, timeout_s: float = _START_TIMEOUT_S) -> None:
        deadline_s = time.monotonic() + timeout_s
        while set(self.states()) != {"tail"} or len(self.states()) < len(self.children):
            self.expect_running()
            if time.monotonic() > deadline_s:
                raise BenchmarkError(
                    f"{self.children[0].name} does not follow after {timeout_s:.0f} s: {self.states()}"
                )
            time.sleep(_POLL_S)

    def states(self) -> list[str]:
        """What each process says that it does; see `P:health` in docs/records.md."""
        told = self._redis.hgetall(self.keys.health)
        assert isinstance(told, dict)
        return [str(json.loads(figures)["state"]) for figures in told.values()]

    def expect_running(self) -> None:
        for child in self.children:
            child.expect_running()

    def stop(self) -> None:
        """In order, with a last snapshot. Raises `BenchmarkError` when it does not end so."""
        for child in self.children[1:]:
            child.resume()
        if self._is_profiled:  # the profiler ends with what it looks at
            for process in psutil.Process(self.children[0].pid).children():
                process.terminate()
            self.children[0].wait(timeout_s=_START_TIMEOUT_S)
        elif self.children[0].stop():
            self.children[0].expect_running()
        for child in self.children[1:]:
            child.wait(timeout_s=_START_TIMEOUT_S)

    def kill(self) -> None:
        for child in self.children:
            if child.running:
                child.kill()

    def suspend(self) -> None:
        for child in self.children:
            child.suspend()

    def resume(self) -> None:
        for child in self.children:
            child.resume()

    def output(self) -> str:
        return "".join(child.output() for child in self.children)

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _environment(servers: Servers) -> dict[str, str]:
    """What every job here is told: no setting of whoever starts the benchmark, and these servers."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("MONGO_", "REDIS_", "DBWATCH_", "BYTEWAX_"))}
    return {
        **known,
        "MONGO_URI": servers.mongod.uri,
        "MONGO_DB": DATABASE,
        "REDIS_URL": servers.valkey.uri,
        "DBWATCH_STREAM_MAXLEN": str(UNTRIMMED),
        "DBWATCH_METRICS": "127.0.0.1:0",
        "DBWATCH_ARCHIVE": "off",
    }


def _commands(recovery_folder: Path | None, processes: int) -> list[list[str]]:
    """One for each process."""
    command = [PYTHON, "-m", "bytewax.run", "flows.watch:flow"]
    if recovery_folder is not None:
        command += ["-r", str(recovery_folder)]
    if processes == 1:
        return [command]
    addresses = ";".join(_free_addresses(processes))
    return [[*command, "-i", str(i), "-a", addresses] for i in range(processes)]


def _free_addresses(count: int) -> list[str]:
    """Addresses on which nothing listens now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{probe.getsockname()[1]}" for probe in probes]
