"""The job as its users start it, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.ports import HOST, free_ports

ROOT = Path(__file__).parents[2]
ENGINE = (sys.executable, "-m", "bytewax.run", "flows.watch:flow")
DBWATCH = (sys.executable, "-m", "dbwatch")

VIEWS = """
[views.movies]
[views.users]
mask = ["password"]
[views.comments]
[views.comments.lookups.movie]
collection = "movies"
local = "movie_id"
foreign = "_id"
fields = ["title", "year"]
[views.comments.lookups.user]
collection = "users"
local = "email"
foreign = "email"
fields = ["name"]
"""


class Job:
    """Starts, kills and stops the job; its output is kept in one file. A context manager that leaves nothing
    running.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], command: Sequence[str]) -> None:
        self.folder = folder
        self.log = folder / "job.log"
        self._command = command
        config = folder / "dbwatch.toml"
        if not config.exists():
            config.write_text(VIEWS, encoding="utf-8")
        known = {k: v for k, v in os.environ.items() if not k.startswith(("MONGO_", "REDIS_", "DBWATCH_", "BYTEWAX_"))}
        self.env = {**known, "DBWATCH_CONFIG": str(config), "DBWATCH_METRICS": "off", "DBWATCH_ARCHIVE": "off"}
        self.env |= settings
        self._process: subprocess.Popen[bytes] | None = None
        self._events_before = 0

    def start(self) -> None:
        self._events_before = self.output().count('"event": "job.')
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=self.env, stdout=out, stderr=out)

    @property
    def begun(self) -> bool:
        """Whether the run that was started last has begun its work, and so ends in order when it is asked to."""
        return self.output().count('"event": "job.') > self._events_before

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a crash: nothing is told, nothing is saved."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=10)

    def send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, *, timeout_s: float = 30.0) -> int:
        """Ask it to end; returns the exit status."""
        self.send(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 30.0) -> int:
        """Wait until it ends by itself; returns the exit status."""
        assert self._process is not None
        try:
            return self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as exc:
            raise AssertionError(f"it has not ended after {timeout_s:.0f} s; it says: {self.output()}") from exc

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.kill()


class Cluster:
    """Several processes of one job, to be driven like one."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs

    @property
    def running(self) -> bool:
        return all(job.running for job in self._jobs)

    def start(self) -> None:
        for job in self._jobs:
            job.start()

    def kill(self) -> None:
        for job in self._jobs:
            job.kill()

    def stop(self) -> list[int]:
        """Ask all to end; returns their exit statuses."""
        for job in self._jobs:
            job.send(signal.SIGTERM)
        return [job.wait() for job in self._jobs]

    def output(self) -> str:
        return "".join(job.output() for job in self._jobs)


def free_addresses(count: int) -> list[str]:
    """Addresses on which nothing listens now."""
    return [f"{HOST}:{port}" for port in free_ports(count)]
