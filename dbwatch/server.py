"""One server process that this project starts, finds again, and stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from connectors.errors import ConfigError
from dbwatch import binaries

HOST = "127.0.0.1"
_POLL_S = 0.02
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_TRIES = 3


class _State(NamedTuple):
    """What the state file says of a process that was started."""

    pid: int
    port: int


class Server(ABC):
    """A real server on loopback whose data, log and state file are kept in one folder.

    `start` takes up the process that the state file names if it still answers as this server, and starts one otherwise;
    `stop` ends either. A process has a session of its own: Ctrl-C in a terminal does not reach it, and it outlives a
    starter that is killed, to be taken up by the next. Not thread-safe; `servers.py` guards a shared folder.
    """

    name: str

    def __init__(self, folder: Path, *, preferred_port: int = 0, extra_args: Sequence[str] = ()) -> None:
        """`preferred_port` is taken when it is free, on the first start; later the last one is preferred."""
        self.folder = folder.absolute()
        self.extra_args = tuple(extra_args)
        self.port = preferred_port
        self.pid: int | None = None
        self.was_running = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    @abstractmethod
    def uri(self) -> str:
        """The address for clients."""

    def start(self) -> None:
        """Return when the server is ready for clients. Raises `ConfigError` when it does not start, saying why."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise ConfigError(f"{self.folder}: the folder for {self.name} cannot be made: {exc.strerror}") from exc
        self.was_running = self._taken_up()
        if not self.was_running:
            self._started()
        self._settle()

    def stop(self, *, timeout_s: float = _STOP_TIMEOUT_S) -> None:
        """End the process as its makers want it ended, and by force if it has not ended after `timeout_s`."""
        self._end(signal.SIGTERM)
        if not self._gone_within(timeout_s):
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the process as a crash would."""
        self._end(signal.SIGKILL)
        self._gone_within(_STOP_TIMEOUT_S)
        self._forget()

    def is_running(self) -> bool:
        """Whether the process exists; a child that has ended is waited for."""
        if self._process is not None:
            return self._process.poll() is None
        return self.pid is not None and process_exists(self.pid)

    def found(self) -> bool:
        """Whether the process that the state file names answers; if so it is taken up, nothing is ever started."""
        state = self._state()
        self.pid, self.port = (state.pid, state.port) if state else (None, self.port)
        return self.answers()

    def answers(self) -> bool:
        """Whether what listens on our port is our process, and well."""
        return self.pid is not None and self._pid_at(self.port) == self.pid

    @abstractmethod
    def _command(self) -> list[str]:
        """The program and its arguments, for `self.port`."""

    @abstractmethod
    def _pid_at(self, port: int) -> int | None:
        """Ask the server on a port for its process id; None when there is none of our kind."""

    def _settle(self) -> None:  # noqa: B027 most servers have nothing to add
        """What is left to do once the server answers."""

    @property
    def _state_path(self) -> Path:
        return self.folder / f"{self.name}.json"

    def _taken_up(self) -> bool:
        state = self._state()
        if state is None:
            return False
        self.pid, self.port = state
        deadline = time.monotonic() + _START_TIMEOUT_S
        while process_exists(state.pid) and time.monotonic() < deadline:
            found = self._pid_at(state.port)
            if found == state.pid:
                return True
            if not self._is_ours(state.pid):
                break
            time.sleep(_POLL_S)  # it is starting, or ending
        self.pid = None
        return False

    def _state(self) -> _State | None:
        try:
            return _State(**json.loads(self._state_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _is_ours(self, pid: int) -> bool:
        """Whether a process id that we wrote down is still our program's."""
        return str(self.folder) in command_line(pid)

    def _started(self) -> None:
        for attempt in range(1, _TRIES + 1):
            self.port = _free_port(self.port if attempt == 1 else 0)
            self._spawn()
            if self._answers_within(_START_TIMEOUT_S):
                return
            reason = " ".join(self._why_it_ended().split())
            self.kill()
            if "address already in use" not in reason.lower() or attempt == _TRIES:
                raise ConfigError(f"{self.name} does not start: {reason} (its log is {self.log_path})")

    def _spawn(self) -> None:
        command = self._command()
        with self._output_path.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=binaries.environment(Path(command[0])),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._state_path.write_text(json.dumps(_State(self.pid, self.port)._asdict()), encoding="utf-8")

    @property
    def _output_path(self) -> Path:
        """What the process says before it has opened its log."""
        return self.folder / f"{self.name}.out"

    def _answers_within(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.is_running() and time.monotonic() < deadline:
            if self.answers():
                return True
            time.sleep(_POLL_S)
        return False

    def _why_it_ended(self) -> str:
        if self.is_running():
            return f"no answer on port {self.port} after {_START_TIMEOUT_S:.0f} s"
        said = self._output_path.read_text(encoding="utf-8", errors="replace").strip()
        status = self._process.returncode if self._process else "unknown"
        return binaries.why_not(said) or self._last_words() or said[-200:] or f"it ended with status {status}"

    def _last_words(self) -> str:
        """The reason that the log gives, if it gives one."""
        return last_line(self.log_path)

    def _end(self, how: signal.Signals) -> None:
        if self.pid is not None and self.is_running():
            with suppress(ProcessLookupError):
                os.kill(self.pid, how)

    def _gone_within(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _forget(self) -> None:
        """The port stays known, to be preferred at the next start."""
        self.pid = self._process = None
        with suppress(OSError):
            self._state_path.write_text(json.dumps(_State(0, self.port)._asdict()), encoding="utf-8")


def last_line(path: Path) -> str:
    """The last line of a text file that is not empty; "" when there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def command_line(pid: int) -> str:
    """The program and arguments of a process, in one line; "" when they cannot be seen."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
    except OSError:
        pass
    with suppress(OSError):
        listed = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        return subprocess.run(listed, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def process_exists(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return True


def _free_port(preferred: int) -> int:
    """The preferred port when it is free, else one that the system picks. Someone may take it before it is used."""
    for port in (preferred, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                listener.bind((HOST, port))
                return int(listener.getsockname()[1])
    raise ConfigError(f"no port of {HOST} is free")
