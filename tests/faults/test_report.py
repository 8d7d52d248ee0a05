from __future__ import annotations

import json
from collections import Counter

from tests.faults.plan import Plan, Strike
from tests.faults.report import Run, as_json, as_markdown, as_text, command, failures
from tests.faults.rounds import Result, Struck
from tests.faults.setup import Setup

SUMMARIES = {"kill": "It is killed.", "pause": "It is paused.", "unused": "Nothing."}


def result(seed: int, fault: str, *, struck: int = 1, violations: int = 0, only: bool = True) -> Result:
    plan = Plan(seed, (fault,) if only else (), (Strike(fault, 0.5),), Setup())
    counted = Counter(records=1000, own=300, changes=300)
    return Result(plan, [Struck(fault, "tail", 0.1)] * struck, ["bad"] * violations, {}, counted, 2.0)


def test_a_line_for_each_fault_that_was_planned_with_what_its_rounds_compared() -> None:
    run = Run(7, [result(7, "kill"), result(8, "kill", struck=2), result(9, "pause")], 6.0, SUMMARIES)
    assert "| `kill` | 3 | 2 | tail 3 | 2,000 | 0 | 2.0 |" in as_markdown(run)
    assert "unused" not in as_text(run)
    assert "Seed 7: 3 rounds, 4 faults, 0 violations, 6 s." in as_text(run)
    assert json.loads(as_json(run))["totals"]["records"] == 3000
    assert failures(run) == []


def test_a_violation_and_a_fault_that_was_never_injected_fail_the_run() -> None:
    run = Run(7, [result(7, "kill", violations=2), result(8, "pause", struck=0)], 4.0, SUMMARIES)
    assert failures(run) == ["seed 7: 2 violations", "pause was planned and never injected"]


def test_what_repeats_a_round_names_its_fault_or_that_it_was_random() -> None:
    assert command(result(7, "kill")).endswith("--seed 7 --rounds 1 --only kill")
    assert command(result(7, "kill", only=False)).endswith("--seed 7 --rounds 1 --random")
