"""A process that a benchmark starts, watches, and always ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from connectors.errors import DBWatchError

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
_STOP_TIMEOUT_S = 60.0
_LAST_LINES = 6


class BenchmarkError(DBWatchError):
    """Something that was to be measured did not do its work."""


class Child:
    """One process with a log of its own, in a session of its own, so that Ctrl-C reaches only its parent.

    A context manager that leaves nothing running. With `talks` its standard input and output are text pipes.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, talks: bool = False
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._env = dict(os.environ if env is None else env)
        self._talks = talks
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        pipe = subprocess.PIPE if self._talks else None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._env,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def expect_running(self) -> None:
        """Raises `BenchmarkError` with its last words when it has ended."""
        if not self.running:
            raise BenchmarkError(f"{self.name} ended with status {self.process.returncode}: {self.last_words()}")

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Its next line. Raises `BenchmarkError` when it ends instead."""
        out: IO[str] | None = self.process.stdout
        assert out is not None
        line = out.readline()
        if not line:
            self.process.wait(_STOP_TIMEOUT_S)
            self.expect_running()
        return line.rstrip("\n")

    def end_of_talk(self) -> None:
        """Close its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def suspend(self) -> None:
        """Let it stand still until `resume`."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self, *, timeout_s: float = _STOP_TIMEOUT_S) -> int:
        """Ask it to end and wait until it has; its exit status."""
        self.resume()
        self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as exc:
            self.kill()
            raise BenchmarkError(f"{self.name} did not end within {timeout_s:.0f} s: {self.last_words()}") from exc

    def wait(self, *, timeout_s: float) -> None:
        """Until it has ended by itself, with status 0. Raises `BenchmarkError`."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as exc:
            raise BenchmarkError(f"{self.name} was not done after {timeout_s:.0f} s: {self.last_words()}") from exc
        if status:
            self.expect_running()

    def kill(self) -> None:
        """As a crash: nothing is told, nothing is saved."""
        self.process.kill()
        self.process.wait(_STOP_TIMEOUT_S)

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def last_words(self) -> str:
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        return " / ".join(lines[-_LAST_LINES:])[-1500:] or f"it said nothing in {self.log}"

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.kill()
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
