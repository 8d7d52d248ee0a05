"""The job as 1, 2 and 4 processes of the engine's cluster, with as many change streams and output streams."""

from __future__ import annotations

import os
from collections.abc import Sequence

from benchmarks import backlog
from benchmarks.bench import Bench, Result
from benchmarks.change_streams import ChangeStreams
from benchmarks.scale_page import PROCESSES, figures, job_name, plots, section, streams_name
from benchmarks.subjects import JobSubject, Subject
from benchmarks.workload import Sizes

__all__ = ["plots", "run", "section"]

_SIZES = Sizes(movies=670, users=330, comments=100_000, film_updates=6_670, title_changes=67)
_QUICK = Sizes(movies=200, users=100, comments=30_000, film_updates=2_000, title_changes=20)


def run(bench: Bench) -> Result:
    """A backlog of the same mix as the large one's, smaller."""
    found = backlog.measure(bench, subjects(), _QUICK if bench.quick else _SIZES)
    result = {
        "sizes": found["sizes"],
        "rounds": found["rounds"],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "subjects": found["subjects"],
    }
    return {**result, "figures": figures(result)}


def subjects() -> Sequence[Subject]:
    """In the order of their turns."""
    return (
        *(JobSubject(job_name(n), processes=n, partitions=n, shards=n) for n in PROCESSES),
        *(ChangeStreams(streams_name(n), partitions=n) for n in PROCESSES),
    )
