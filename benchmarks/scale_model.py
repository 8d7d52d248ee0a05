"""A model of the job on more cores than were there: what each kind of process costs for a change, and which of them is
at its limit first. Pure.

The assumptions, which the page repeats:

- A process of the job is one busy thread (Python's lock), so it has one core at most. With `n` processes a share of
  `(n - 1) / n` of what goes from row to lookup and back crosses to another process, which costs both of them:
  `job(n) = alone + crossing * (n - 1) / n`. `alone` is what one process takes; the rest is fitted to no more processes
  than there are cores, as others wait for each other and work in smaller batches than they would on cores of their own.
- A change stream is one thread of MongoDB. Each reads the whole oplog and passes on its own share of it:
  `streams(n) = once + each * n`; so none can be faster than one thread reads the oplog. MongoDB does nothing else for
  the job, as the rows come with the events.
- Valkey executes commands in one thread, whatever the number of streams.
- Nothing else: no network, no skew between processes, no waiting for disks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """`base + slope * x`."""

    base: float
    slope: float

    def at(self, x: float) -> float:
        return self.base + self.slope * x


class Costs(NamedTuple):
    """CPU seconds for a million changes, by the number of processes (and partitions, and shards) they depend on."""

    job: Line
    """Of all its processes together, by the share that crosses."""
    streams: Line
    """Of MongoDB for all change streams, by their number."""
    valkey: float

    def job_s(self, processes: int) -> float:
        return self.job.at(crossing(processes))


class Forecast(NamedTuple):
    """Changes per second, and what is at its limit."""

    rate_per_s: float
    limit: str


def crossing(processes: int) -> float:
    """The share of visits that another process has to make.

    >>> crossing(1), crossing(4)
    (0.0, 0.75)
    """
    return (processes - 1) / processes


def line(points: Sequence[tuple[float, float]]) -> Line:
    """The least squares through the points; neither its base nor its slope is below 0, as costs are not.

    >>> line([(1, 3), (2, 5), (4, 9)])
    Line(base=1.0, slope=2.0)
    """
    middle_x, middle_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0
    slope = max(slope, 0.0)
    if middle_y < slope * middle_x:
        return Line(0.0, middle_y / middle_x)
    return Line(middle_y - slope * middle_x, slope)


def through(first: float, points: Sequence[tuple[float, float]]) -> Line:
    """The least squares through the points among lines that have `first` at 0; its slope is not below 0.

    >>> through(3, [(0.5, 4), (0.75, 4.5)])
    Line(base=3, slope=2.0)
    """
    squares = sum(x * x for x, _ in points)
    slope = sum(x * (y - first) for x, y in points) / squares if squares else 0.0
    return Line(first, max(slope, 0.0))


def costs(*, job: Mapping[int, float], streams: Mapping[int, float], valkey: Mapping[int, float], cores: int) -> Costs:
    """From CPU seconds for a million changes that were measured with some numbers of processes, 1 among them."""
    return Costs(
        through(job[1], [(crossing(n), cost) for n, cost in job.items() if n <= max(cores, 2)]),
        line(list(streams.items())),
        valkey[1],
    )


def forecast(of: Costs, *, processes: int, cores: int) -> Forecast:
    """The smallest of the limits, in changes per second."""
    job, streams = of.job_s(processes), of.streams.at(processes)
    limits = {
        "the job": 1e6 * processes / job,
        "a change stream": 1e6 * processes / streams,
        "Valkey": 1e6 / of.valkey,
        "all cores": 1e6 * cores / (job + streams + of.valkey),
    }
    least = min(limits, key=lambda name: limits[name])
    return Forecast(limits[least], least)
