"""The machine that a run was made on, and the versions of what it ran."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from dbwatch import binaries

_PACKAGES = ("bytewax", "pymongo", "redis", "hiredis", "orjson")
_BUSY = 0.5


def machine() -> dict[str, str]:
    """What the page tells of it, by name. Ask before anything is measured: it also tells of other work."""
    load = os.getloadavg()[0]
    told = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": f"{platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "MongoDB": _version_of(binaries.mongod()),
        "Valkey": _version_of(binaries.valkey()),
    }
    if load > _BUSY:
        told["other work"] = f"the machine was busy when the run began: load {load:.1f}"
    return told


def _processor() -> str:
    with suppress(OSError):
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        if found:
            return found[1]
    return platform.processor() or "unknown"


def _version_of(program: Path) -> str:
    environment: Mapping[str, str] | None = binaries.environment(program)
    said = subprocess.run([program, "--version"], env=environment, capture_output=True, text=True, check=False).stdout
    found = re.search(r"v[=]?(\d+\.\d+\.\d+)", said)
    return found[1] if found else "unknown"
