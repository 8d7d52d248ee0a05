"""Processes that one command runs side by side: each with its log, stopped in order, and found again if left behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from connectors.errors import ConfigError
from dbwatch.server import command_line, process_exists

_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05
_LAST_LINES = 12
_LINE_LENGTH = 400


class Child:
    """One process in a session of its own, so that Ctrl-C in the terminal reaches only its parent."""

    def __init__(self, name: str, command: Sequence[str], *, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs, or has not been started."""
        return None if self._process is None else self._process.poll()

    def start(self, *, env: Mapping[str, str], keep_open: IO[str]) -> None:
        """Start with output to the log, which begins anew; `keep_open` stays open in the process."""
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(env),
                start_new_session=True,
                pass_fds=[keep_open.fileno()],
            )

    def stop(self, *, timeout_s: float = _STOP_TIMEOUT_S) -> int | None:
        """Ask it to end, insist after `timeout_s`; its exit status, None when it was never started."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def last_words(self) -> str:
        """The last lines of the log."""
        text = self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""
        lines = [line[:_LINE_LENGTH] for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-_LAST_LINES:])


class Children:
    """The processes of one folder. They hold its lock while they live, so those of a killed parent are noticed."""

    def __init__(self, folder: Path, *, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._children: list[Child] = []
        self._lock = self._locked()

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Run a command; its log is `logs/<name>.log`."""
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        child = Child(name, command, log_path=logs / f"{name}.log")
        child.start(env=self._env, keep_open=self._lock)
        self._children.append(child)
        self._pids_path.write_text(json.dumps([c.pid for c in self._children]), encoding="ascii")
        return child

    def ended(self) -> Child | None:
        """The first one that has ended by itself, if any."""
        return next((child for child in self._children if child.exit_status is not None), None)

    def stop(self) -> None:
        """Stop them, the last started first. Whoever interrupts this has them killed."""
        try:
            while self._children:
                self._children[-1].stop()
                self._children.pop()
        except BaseException:
            for child in reversed(self._children):
                child.stop(timeout_s=0)
            raise
        finally:
            self._lock.close()
        self._pids_path.unlink(missing_ok=True)

    @property
    def _pids_path(self) -> Path:
        return self._folder / "children.json"

    def _locked(self) -> IO[str]:
        lock = (self._folder / "children.lock").open("w", encoding="ascii")
        if not _takes(lock):
            self._end_left_behind()
            deadline = time.monotonic() + _STOP_TIMEOUT_S
            while not _takes(lock):
                if time.monotonic() > deadline:
                    raise ConfigError(f"{self._folder}: processes of an earlier run are still at work; end them first")
                time.sleep(_POLL_S)
        os.set_inheritable(lock.fileno(), False)
        return lock

    def _end_left_behind(self) -> None:
        """The lock is held, so processes of ours live; those noted are asked to end if they still are what we noted."""
        with suppress(OSError, ValueError):
            for pid in json.loads(self._pids_path.read_text(encoding="ascii")):
                if process_exists(pid) and _runs_ours(pid):
                    os.kill(pid, signal.SIGTERM)


def _takes(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runs_ours(pid: int) -> bool:
    command = command_line(pid)
    return "dbwatch" in command or "dashboard" in command
