"""What an experiment is given: where it may work, how thorough it is to be, and whom it tells how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Result = Mapping[str, Any]
"""What an experiment found, JSON-able. Its `figures` (name -> number) are what the targets refer to."""


class Experiment(Protocol):
    """A module of this folder: `run` measures, `section` says what was found, as Markdown, for the page."""

    def run(self, bench: Bench) -> Result: ...

    def section(self, result: Result) -> str: ...


class Progress:
    """Lines that tell what is done now and about how long the experiment goes on."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began_s = time.monotonic()

    def step(self, done: int, total: int, text: str) -> None:
        """`done` of `total` steps of about equal length are done; `text` says which one begins."""
        elapsed_s = time.monotonic() - self._began_s
        left = f", about {minutes(elapsed_s / done * (total - done))} left" if done else ""
        self.say(f"{done + 1}/{total} {text}{left}")

    def say(self, text: str) -> None:
        elapsed_s = int(time.monotonic() - self._began_s)
        sys.stdout.write(f"[{elapsed_s // 60:2}:{elapsed_s % 60:02}] {self._name}: {text}\n")
        sys.stdout.flush()


class Bench(NamedTuple):
    """One run of an experiment: `folder` is its own and is removed afterwards."""

    folder: Path
    progress: Progress
    quick: bool = False
    rounds: int = 3
    subjects: str = ""
    """Only subjects whose name has this in it."""


def minutes(seconds: float) -> str:
    """
    >>> minutes(45), minutes(200)
    ('45 s', '3 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
