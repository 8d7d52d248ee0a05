"""The job of a round: one process or a cluster of them, started, killed, paused and watched over."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.acceptance.processes import DBWATCH, Job, free_addresses
from tests.faults.job import COMMAND
from tests.faults.setup import Shape

_WAIT_S = 20.0


class Flow:
    """Starts the job with one recovery folder, in any shape. A context manager that leaves nothing running."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str], shape: Shape, *, views: str, interval_s: int = 1
    ) -> None:
        self.folder = folder
        self.recovery = folder / "recovery"
        self.settings = dict(settings)
        self.shape = shape
        self.starts = 0
        self.views = views
        self._interval_s = interval_s
        self._jobs: list[Job] = []
        self._logged_before: dict[Path, int] = {}

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, shape: Shape | None = None) -> None:
        self.shape = shape or self.shape
        self.starts += 1
        self._logged_before = {path: path.stat().st_size for path in self.log_paths()}
        addresses = free_addresses(self.shape.processes) if self.shape.processes > 1 else []
        self._jobs = [self._job(i, addresses) for i in range(self.shape.processes)]
        for job in self._jobs:
            job.start()

    @property
    def running(self) -> bool:
        """Whether every process of it runs."""
        return bool(self._jobs) and all(job.running for job in self._jobs)

    @property
    def begun(self) -> bool:
        return all(job.begun for job in self._jobs)

    def pids(self) -> list[int]:
        return [job.pid for job in self._jobs if job.running]

    def kill(self) -> None:
        """As a crash of the machine: all processes, whatever they are doing."""
        for job in self._jobs:
            if job.running:
                job.kill()

    def send(self, number: int) -> None:
        for job in self._jobs:
            with suppress(ProcessLookupError):
                job.send(number)

    def stop(self, number: int = signal.SIGTERM) -> list[int]:
        """Ask all to end in order; returns their exit statuses. One that does not end in time is killed."""
        self.send(number)
        return self.statuses()

    def statuses(self, *, timeout_s: float = _WAIT_S) -> list[int]:
        """Wait until all have ended; kills what has not after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while any(job.running for job in self._jobs) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.kill()
        return [job.wait() for job in self._jobs]

    def log(self) -> str:
        """All that it has said, processes one after the other."""
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in self.log_paths())

    def log_paths(self) -> list[Path]:
        return sorted(self.folder.glob("process-*/job.log"))

    def last_words(self) -> list[str]:
        """The last line of each process that is no event of its log, since they were started last."""
        said: list[str] = []
        for path in self.log_paths():
            lines = path.read_bytes()[self._logged_before.get(path, 0) :].decode(errors="replace").splitlines()
            said += [line for line in lines if not _is_event(line)][-1:]
        return said

    def threads_cpu_s(self) -> float:
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.pids())

    def _job(self, number: int, addresses: list[str]) -> Job:
        folder = self.folder / f"process-{number}"
        folder.mkdir(exist_ok=True)
        (folder / "dbwatch.toml").write_text(self.views, encoding="utf-8")
        program = COMMAND if self.settings["DBWATCH_ARCHIVE"] != "off" else DBWATCH
        command = [*program, "run", "-r", str(self.recovery), "-s", str(self._interval_s), "-b", "0"]
        command += ["-w", str(self.shape.workers)] if self.shape.workers > 1 else []
        command += ["-i", str(number), "-a", ";".join(addresses)] if addresses else []
        return Job(folder, self.settings, command)


def written(folder: Path) -> list[tuple[str, int, int]] | None:
    """What changes when the engine writes; None while files come and go."""
    try:
        found = [(file.name, file.stat()) for file in folder.glob("part-*")]
    except OSError:
        return None
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]


def _is_event(line: str) -> bool:
    try:
        return "event" in json.loads(line)
    except (ValueError, TypeError):
        return False
