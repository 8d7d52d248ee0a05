"""The clock that tests set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.clock import Clock, NoClock, library

TELL = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "offset")


@pytest.fixture
def process(clock: Clock) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", TELL], env={**os.environ, **clock.env}, stdin=-1, stdout=-1, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def told(process: subprocess.Popen[str]) -> tuple[float, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    wall_s, monotonic_s = process.stdout.readline().split()
    return float(wall_s), float(monotonic_s)


def test_the_wall_clock_of_a_running_process_is_set_and_the_monotonic_one_is_not(
    clock: Clock, process: subprocess.Popen[str]
) -> None:
    wall_s, monotonic_s = told(process)
    for offset_s in (3600.0, -3600.0, 0.0):
        clock.set(offset_s)
        now_s, forward_s = told(process)
        assert now_s - wall_s == pytest.approx(offset_s, abs=30)
        assert 0 <= forward_s - monotonic_s < 30


def test_where_there_is_no_library_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(NoClock, match="expected libfaketime"):
        library()
