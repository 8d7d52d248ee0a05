"""A short part of the suite on real servers; `make faults` runs the whole of it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS, TRAITS
from tests.faults.plan import plan_round
from tests.faults.rounds import run_round
from tests.faults.servers import Servers

SHORT = [
    pytest.param("kill-at-commit", 1, id="kill-at-commit"),
    pytest.param("kill-before-reply", 2, id="kill-before-reply"),
    pytest.param("redis-reply-lost", 3, id="redis-reply-lost"),
    pytest.param("tiny-stream", 4, id="tiny-stream"),
    pytest.param("kill-in-retention", 7, id="kill-in-retention", marks=pytest.mark.soak),
    pytest.param("redis-flushed", 7, id="redis-flushed"),
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.mark.parametrize(("fault", "seed"), SHORT)
def test_the_feed_is_exact_through(fault: str, seed: int, servers: Servers, tmp_path: Path) -> None:
    plan = plan_round(seed, TRAITS, [fault])
    plan.setup.changes = 200 if FAULTS[fault].group in ("archive", "replay") else 400  # `make faults` makes more
    result = run_round(plan, servers, FAULTS, tmp_path / "round")
    assert result.violations == []
    assert result.struck
    assert result.counted["own"] > 0
