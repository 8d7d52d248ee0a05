"""What a round runs on, on real servers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.catalogue.redis import RedisReplyLost
from tests.faults.rig import Rig, RoundFailed
from tests.faults.servers import Servers
from tests.faults.setup import Setup
from tests.faults.traps import LoseReply

pytestmark = pytest.mark.soak


def test_a_job_that_found_redis_full_when_it_started_is_started_again_while_a_trap_waits(tmp_path: Path) -> None:
    setup = Setup()
    RedisReplyLost().prepare(setup)
    with Servers(tmp_path / "servers") as servers, Rig(setup, servers, tmp_path, seed=5) as rig:
        rig.workload.fill(setup.fill)
        with rig.redis_client() as client:
            client.config_set("maxmemory", "1")
            rig.flow.start()
            assert rig.flow.statuses() == [2]
            client.config_set("maxmemory", "0")
        trap = LoseReply(spare=random.Random(5).randint(0, 4))
        rig.spring(trap)
        assert trap.sprung.is_set()
        rig.flow.kill()
        with pytest.raises(RoundFailed, match="ended by itself"):
            rig.spring(LoseReply())
