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
    ("kill-at-commit", 1),
    ("kill-before-reply", 2),
    ("redis-reply-lost", 3),
    ("tiny-stream", 4),
    ("kill-in-retention", 7),
    ("redis-flushed", 7),
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.mark.parametrize(("fault", "seed"), SHORT, ids=[name for name, _ in SHORT])
def test_the_feed_is_exact_through(fault: str, seed: int, servers: Servers, tmp_path: Path) -> None:
    plan = plan_round(seed, TRAITS, [fault])
    if FAULTS[fault].group in ("archive", "replay"):
        plan.setup.changes = 200  # these take their time
    result = run_round(plan, servers, FAULTS, tmp_path / "round")
    assert result.violations == []
    assert result.struck
    assert result.counted["own"] > 0
