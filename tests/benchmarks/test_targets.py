"""What is aimed at, and whether a run reached it."""

from __future__ import annotations

from benchmarks.targets import TARGETS, missed, table

BY_FIGURE = {target.figure: target for target in TARGETS}


def test_a_ratio_is_missed_below_its_bound_and_a_latency_above() -> None:
    assert BY_FIGURE["best_against_debezium"].verdict(1.25) == "met"
    assert BY_FIGURE["best_against_debezium"].verdict(1.0) == "**missed** by 20%"
    assert BY_FIGURE["redis_p99_ms"].verdict(25) == "met"
    assert BY_FIGURE["redis_p99_ms"].verdict(50) == "**missed** by 100%"


def test_values_are_told_in_their_unit() -> None:
    assert BY_FIGURE["epoch_share"].text(0.031) == "3.1 %"
    assert BY_FIGURE["epoch_share"].bound_text() == "5 % or less"
    assert BY_FIGURE["resume_s"].text(12.3) == "12 s"


def test_the_table_tells_what_was_measured_and_what_was_not() -> None:
    found = {"backlog": {"figures": {"recovery_against_none": 0.9}}, "growth": {"figures": {"memory_gib": 2.0}}}
    lines = table(found).splitlines()
    assert len(lines) == 2 + len(TARGETS)
    assert "| full join with recovery against without | 0.85 or more | 0.90 | met |" in lines
    assert "| memory of the job with 1 M rows of state | 1.5 GiB or less | 2.00 GiB | **missed** by 33% |" in lines
    assert sum("not measured" in line for line in lines) == len(TARGETS) - 2


def test_only_what_is_missed_is_said_to_need_something() -> None:
    assert missed({"backlog": {"figures": {"recovery_against_none": 0.9}}}) == ""
    said = missed({"growth": {"figures": {"memory_gib": 2.0}}})
    assert said.startswith("- Memory of the job with 1 M rows of state: 2.00 GiB instead of 1.5 GiB or less.")
