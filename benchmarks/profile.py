"""Where the job's time goes: py-spy's samples of one run, by stage and by function. Pure but for finding py-spy.

Only samples in which a thread holds Python's global lock count: that is what one process has one of. What waits, or
works without the lock (sockets, SQLite under the engine), does not.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.processes import PYTHON

RATE_HZ = 200
_MOST_FUNCTIONS = 15
# The first whose pattern is found in a frame, looked at from the innermost frame out, takes the sample.
_STAGES = (
    ("join", r"flows/join/|flows/denormalize"),
    ("sink: order, writing to Redis", r"connectors/(redis_streams|output_stream|once|records|retried|hold|refusals)"),
    ("rates and health", r"flows/(rates|pulse|health|gauges|metrics)"),
    ("source: reading and decoding", r"connectors/mongo|connectors/raw_bson|connectors/changes"),
    ("sharding", r"flows/watch"),
)
_ENGINE = "engine: routing, snapshots of state, its own operators"
# What runs before the first change is read.
_BEGINNING = re.compile(r"importlib\._bootstrap|^(flow|prepare) \(.*flows/watch")
_FRAME = re.compile(r"^(?P<name>.*?) \((?P<file>[^():]+)(:\d+)?\)$")


def program() -> str | None:
    """Where py-spy is; None where it is not, as it has no package for this system."""
    return shutil.which("py-spy", path=str(Path(PYTHON).parent)) or shutil.which("py-spy")


def profiler(out: Path) -> tuple[str, ...]:
    """What stands before a command to have its samples written to a file."""
    return (program() or "py-spy", "record", "-f", "raw", "-F", "--gil", "-r", str(RATE_HZ), "-o", str(out), "--")


def summary(folded: str) -> dict[str, Any]:
    """What a file of folded stacks (`outer;inner COUNT` a line) comes to."""
    stages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame for frame in stack.split(";") if not frame.startswith(("process ", "thread "))]
        if not frames or not count.isdigit() or any(_BEGINNING.search(frame) for frame in frames):
            continue
        stages[stage(frames)] += int(count)
        functions[_named(frames[-1])] += int(count)
    return {
        "rate_hz": RATE_HZ,
        "samples": stages.total(),
        "stages": stages.most_common(),
        "functions": functions.most_common(_MOST_FUNCTIONS),
    }


def stage(frames: Iterable[str]) -> str:
    """Which part of the job a stack belongs to, outermost frame first."""
    for frame in reversed(list(frames)):
        for name, pattern in _STAGES:
            if re.search(pattern, frame):
                return name
    return _ENGINE


def _named(frame: str) -> str:
    """
    >>> _named("apply (flows/join/rows.py:12)"), _named("loads (/usr/lib/python3/site-packages/bson/__init__.py)")
    ('apply (flows/join/rows.py)', 'loads (bson/__init__.py)')
    """
    found = _FRAME.match(frame)
    if found is None:
        return frame
    file = re.sub(r"^.*/(site-packages|lib/python3\.\d+)/", "", found["file"])
    return f"{found['name']} ({file})"
