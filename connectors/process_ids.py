"""Which process this is, and whether another one is certainly gone. Reads `/proc`; where there is none, nothing is
certain.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_ENDED = "ZX"


class ProcessId(NamedTuple):
    """One process among all machines. `place` names the machine's boot and the namespace in which `pid` counts, and
    `started` is the kernel's time of its start, which no setting of the clock changes; both are empty when unknown.
    """

    host: str
    pid: int
    place: str = ""
    started: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> ProcessId:
    return ProcessId(socket.gethostname(), os.getpid(), _place(), _stat(os.getpid())[1])


def is_gone(process: ProcessId, here: ProcessId) -> bool:
    """Whether it does certainly not run any more, as far as `here` can see: never certain from another machine or
    container. A process that has our own number is gone, for there is only one: it was replaced by us.
    """
    if not process.place or (process.place, process.host) != (here.place, here.host):
        return False
    if process.pid == here.pid:
        return True
    state, started = _stat(process.pid)
    if not state:
        return not _exists(process.pid)  # others' processes may be hidden in /proc
    return state in _ENDED or bool(process.started and started != process.started)


def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str]:
    """A process's state letter and start time, both empty when there is nothing to read."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
