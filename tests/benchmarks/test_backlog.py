"""A very small backlog, on real servers, through the job and through the bare loops."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.backlog import measure
from benchmarks.bench import Bench, Progress
from benchmarks.limit_subjects import Limit
from benchmarks.processes import BenchmarkError
from benchmarks.results import Feed
from benchmarks.subjects import JobSubject, Subject, expect
from benchmarks.workload import Sizes

LOOPS = ("drain", "watch", "lua", "find")
SIZES = Sizes(movies=20, users=10, comments=12_000, film_updates=60, title_changes=2)


def test_a_backlog_is_measured_where_every_change_was_written_once(tmp_path: Path) -> None:
    subjects: list[Subject] = [
        JobSubject("joined"),
        *(Limit(loop, loop) for loop in LOOPS),
    ]
    found = measure(Bench(tmp_path, Progress("test"), rounds=1), subjects, SIZES)
    assert found["written"]["own"] == {"movies c": 20, "movies u": 62, "users c": 10, "comments c": 12_000}
    assert 0 < found["written"]["reached"] < 3000
    joined = found["subjects"]["joined"][0]
    assert joined["rate_per_s"] > 0
    assert joined["caused"] >= 0.95 * found["written"]["reached"]  # a comment may be read together with the change
    assert all(found["subjects"][loop][0]["rate_per_s"] > 0 for loop in LOOPS)
    assert set(joined["cpu_s_per_million"]) == {"job", "mongod", "valkey"}
    assert joined["peak_mb"]["job"] > 30


WRITTEN = Feed({"movies c": 2, "comments c": 5}, 3, 7, [])


@pytest.mark.parametrize(
    ("feed", "reached"),
    [
        (WRITTEN._replace(own={"movies c": 2, "comments c": 4}, distinct=6), 3),
        (WRITTEN._replace(own={"movies c": 2, "comments c": 6}, distinct=8), 3),
        (WRITTEN._replace(distinct=6), 3),
        (WRITTEN, 0),
        (WRITTEN, 4),
    ],
    ids=[
        "one is missing",
        "one too many",
        "one twice, one missing",
        "caused where nothing is joined",
        "too few caused",
    ],
)
def test_a_run_does_not_count_that_did_not_write_what_it_should_have(feed: Feed, reached: int) -> None:
    expect(WRITTEN, WRITTEN.own, 3, who="x")
    with pytest.raises(BenchmarkError, match=r"x: expected the entries .*'comments c': 5.*found"):
        expect(feed, WRITTEN.own, reached, who="x")
