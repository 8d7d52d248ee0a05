"""A clock for a process of its own that a test can set while the process runs: libfaketime, from a wheel.

Only the wall clock is set, never the monotonic one: that is what a person or NTP does. Where there is no wheel (other
than Linux on x86-64), `clock_env` says so instead of leaving the clock alone without a word.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_LIBRARY = Path("vendor") / "libfaketime" / "src" / "libfaketime.so.1"


class NoClock(RuntimeError):
    """There is no libfaketime for this machine."""


class Clock:
    """The wall clock of the processes that are started with `env`; it goes right until it is set."""

    def __init__(self, file: Path) -> None:
        """`file` holds the offset, and must be of this clock alone."""
        self._file = file
        self.env = clock_env(file)
        self.set(0)

    def set(self, offset_s: float) -> None:
        """From now on the clock is `offset_s` before (after, if negative) the true time."""
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{offset_s:+.3f}\n", encoding="ascii")
        whole.replace(self._file)


def clock_env(offset_file: Path) -> dict[str, str]:
    """What a process must have in its environment for its clock to follow the offset in the file. Raises `NoClock`."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(offset_file),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def library() -> Path:
    """The shared library. Raises `NoClock`."""
    try:
        path = Path(str(distribution("libfaketime").locate_file("libfaketime"))) / _LIBRARY
    except PackageNotFoundError:
        path = _LIBRARY
    if not path.exists():
        raise NoClock(
            f"the clock cannot be set on {sys.platform}: expected libfaketime, which has a wheel for Linux on x86-64; "
            "run `make install` there"
        )
    return path
