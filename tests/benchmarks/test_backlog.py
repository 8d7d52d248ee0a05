"""A very small backlog, on real servers, through the job and through a bare loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.backlog import measure
from benchmarks.bench import Bench, Progress
from benchmarks.limit_subjects import Limit
from benchmarks.processes import BenchmarkError
from benchmarks.results import Run
from benchmarks.subjects import JobSubject, Subject, World, measured
from benchmarks.workload import Loaded, Sizes

SIZES = Sizes(movies=20, users=10, comments=2500, film_updates=60, title_changes=2)


class Expecting(JobSubject):
    """Sees to it that a run is refused that did not write what it should have."""

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        with self._job(world, round_no) as job:
            job.start()
            with pytest.raises(BenchmarkError, match=r"'comments c': 2501.* each once, and about 0"):
                measured(world, job, expected={**loaded.own, "comments c": 2501, "movies u": 61}, reached=0)
        return Run(1, 0, {}, {})


def test_a_backlog_is_measured_where_every_change_was_written_once(tmp_path: Path) -> None:
    subjects: list[Subject] = [
        JobSubject("joined"),
        Expecting("mistaken", views="[views.movies]\n[views.users]\n[views.comments]\n"),
        Limit("bare", "watch"),
    ]
    found = measure(Bench(tmp_path, Progress("test"), rounds=1), subjects, SIZES)
    assert found["written"]["own"] == {"movies c": 20, "movies u": 62, "users c": 10, "comments c": 2500}
    assert 0 < found["written"]["reached"] < 1000
    joined, bare = (found["subjects"][name][0] for name in ("joined", "bare"))
    assert joined["rate_per_s"] > 0
    assert joined["caused"] >= found["written"]["reached"]
    assert bare["rate_per_s"] > 0
    assert set(joined["cpu_s_per_million"]) == {"job", "mongod", "valkey"}
    assert joined["peak_mb"]["job"] > 30
