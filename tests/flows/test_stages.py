"""The stages in order, and states that a recovery store gives back as they were."""

from __future__ import annotations

import pickle
import random
from typing import Any

from flows.join.plan import KEYS
from flows.join.stages import stages_of
from tests.flows.histories import random_history
from tests.flows.joining import PLAN
from tests.flows.network import Job


def test_the_stages_are_numbered_in_order_and_have_the_names_that_state_is_kept_under() -> None:
    stages = stages_of(PLAN)
    assert [stage.number for stage in stages] == list(range(KEYS, PLAN.out))
    assert [stage.name for stage in stages] == ["keys", "values_1", "values_2", "members", "rows"]


def test_a_state_that_nothing_is_known_of_is_idle_counts_nothing_and_is_not_due() -> None:
    for stage in stages_of(PLAN):
        assert stage.is_idle(stage.empty)
        assert not stage.counts(stage.empty)
        assert not stage.is_due(stage.empty)
        assert stage.close(stage.empty) == stage.empty


def test_every_state_of_a_history_is_the_same_after_pickling() -> None:
    seen: set[str] = set()
    for seed in range(20):
        rnd = random.Random(seed)
        job = Job(rnd, PLAN, random_history(rnd, length=30, comments=6).changes, partitions=2)
        job.run(crashes=0)
        for (number, _), state in job.states.items():
            restored: Any = pickle.loads(pickle.dumps(state))  # noqa: S301  # our own bytes
            assert restored == state
            assert type(restored) is type(state)
            seen.add(stages_of(PLAN)[number].name)
    assert seen >= {"keys", "values_1", "values_2", "rows"}
