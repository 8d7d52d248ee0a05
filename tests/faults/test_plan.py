from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.oracle import RowKey
from tests.faults.catalogue import FAULTS, TRAITS
from tests.faults.history import History
from tests.faults.plan import plan_round
from tests.faults.runner import Ask, plans

ROOT = Path(__file__).parents[2]


def test_a_seed_gives_the_same_plan_and_the_same_history() -> None:
    assert [plan_round(seed, TRAITS) for seed in range(20)] == [plan_round(seed, TRAITS) for seed in range(20)]
    one, other = History(3), History(3)
    assert [one.next() for _ in range(300)] == [other.next() for _ in range(300)]
    assert plan_round(1, TRAITS) != plan_round(2, TRAITS)


def test_faults_of_one_round_go_together() -> None:
    for seed in range(300):
        plan = plan_round(seed, TRAITS)
        traits = [TRAITS[name] for name in plan.faults]
        assert 1 <= len(traits) <= 3
        assert len(traits) == 1 or not any(t.alone for t in traits)
        assert len({t.mongo for t in traits if t.mongo}) <= 1


def test_a_run_begins_with_every_fault_and_its_seed_and_goes_on_with_random_rounds() -> None:
    rounds = [plan for plan, _ in zip(plans(Ask(9)), range(len(FAULTS) + 5), strict=False)]
    assert [plan.faults for plan in rounds[: len(FAULTS)]] == [[name] for name in FAULTS]
    assert rounds[0].seed == 9
    assert all(plan.only == () for plan in rounds[len(FAULTS) :])
    assert len({plan.seed for plan in rounds}) == len(rounds)


def test_the_command_that_is_printed_repeats_a_round() -> None:
    for plan in (plan_round(5, TRAITS), plan_round(6, TRAITS, ("kill",))):
        ask = Ask(plan.seed, rounds=1, only=plan.only, random=not plan.only)
        assert next(plans(ask)) == plan


def test_every_fault_says_what_it_does() -> None:
    for name, fault in FAULTS.items():
        assert re.fullmatch(r"[A-Z].{15,110}\.", fault.summary()), name


def test_the_guarantees_page_says_of_every_fault_what_it_does() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    for name, fault in FAULTS.items():
        assert f"| `{name}` | {fault.summary()} |" in page


def test_what_is_removed_is_what_the_changes_so_far_have_left() -> None:
    history = History(3, fleeting=True)
    left: set[RowKey] = set()
    for count in range(1, 3_000):
        for op in history.next():
            (left.discard if op.after is None else left.add)(op.row_key)
        if count % 40 == 0:
            gone = {op.row_key for op in history.remove("comments")}
            assert gone == {key for key in left if key[0] == "comments"}
            left -= gone
