"""CPU time and memory of groups of processes over time, sampled by a thread, and what they come to between two moments.

CPU seconds are user and system time of each process and of its children that have ended. Memory is resident memory.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import psutil

_EVERY_S = 0.1


class Usage(NamedTuple):
    """What a group of processes took within a span of time."""

    cpu_s: float
    peak_mb: float


class Sample(NamedTuple):
    """At a moment (Unix time): of each group, CPU seconds since its start, and resident bytes now."""

    at_s: float
    cpu_s: Mapping[str, float]
    rss: Mapping[str, int]


class Meter:
    """Samples while it is entered. A process that has ended counts with what it took last."""

    def __init__(self, groups: Mapping[str, Iterable[int]]) -> None:
        """`groups`: the ids of the processes of each."""
        self._groups = {name: [_Watched(pid) for pid in pids] for name, pids in groups.items()}
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="benchmark meter", daemon=True)

    def __enter__(self) -> Meter:
        self._take()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._take()

    def between(self, start_s: float, end_s: float) -> dict[str, Usage]:
        """What each group took from one Unix time to another."""
        return usage(list(self._samples), start_s, end_s)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._take()

    def _take(self) -> None:
        at_s = time.time()
        taken = {name: [watched.take() for watched in group] for name, group in self._groups.items()}
        self._samples.append(
            Sample(
                at_s,
                {name: sum(cpu for cpu, _ in group) for name, group in taken.items()},
                {name: sum(rss for _, rss in group) for name, group in taken.items()},
            )
        )


def usage(samples: Sequence[Sample], start_s: float, end_s: float) -> dict[str, Usage]:
    """Interpolated between the samples; the peak is the largest sample within the span or next to it. Pure."""
    times = [sample.at_s for sample in samples]
    first = max(bisect.bisect_right(times, start_s) - 1, 0)
    last = min(bisect.bisect_left(times, end_s), len(samples) - 1)
    within = samples[first : last + 1]
    return {
        name: Usage(
            _at(samples, times, end_s, name) - _at(samples, times, start_s, name),
            max(sample.rss[name] for sample in within) / 1e6,
        )
        for name in samples[0].cpu_s
    }


def _at(samples: Sequence[Sample], times: Sequence[float], moment_s: float, name: str) -> float:
    after = bisect.bisect_left(times, moment_s)
    if after == 0:
        return samples[0].cpu_s[name]
    if after == len(samples):
        return samples[-1].cpu_s[name]
    one, two = samples[after - 1], samples[after]
    share = (moment_s - one.at_s) / (two.at_s - one.at_s)
    return one.cpu_s[name] + share * (two.cpu_s[name] - one.cpu_s[name])


class _Watched:
    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._last = (0.0, 0)

    def take(self) -> tuple[float, int]:
        """CPU seconds and resident bytes."""
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess), self._process.oneshot():
            times = self._process.cpu_times()
            ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            self._last = (times.user + times.system + ended, self._process.memory_info().rss)
        return self._last
