"""The pulse, on a real Redis."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from redis import Redis

from connectors.records import Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys
from flows.health import Health
from flows.pulse import Pulse
from flows.rates import Meter
from tests.conftest import StartRedis

RECORD = Record("movies", "c", "k", 1, "01", Versions("01", {}))


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    with connect(redis_url) as client:
        yield client


def pulse(client: Redis, keys: Keys, meter: Meter) -> Pulse:
    return Pulse(client, keys, process=3, meter=meter, health=Health(started_ms=1))


def test_its_last_beat_tells_what_is_left_and_that_the_job_has_stopped(client: Redis, prefix: str) -> None:
    meter, keys = Meter(), Keys(prefix)
    beating = pulse(client, keys, meter)
    beating.start()
    meter.add([RECORD, RECORD], 5, 1)
    beating.stop()
    told: Any = client.xrange(keys.rates)
    assert sum(json.loads(fields["counts"]).get("movies", {}).get("c", 0) for _, fields in told) == 2
    assert told[-1][1]["process"] == "3"
    health: Any = client.hgetall(keys.health)
    assert list(health) == ["3"]
    figures = json.loads(health["3"])
    assert (figures["state"], figures["written"], figures["skipped"]) == ("stopped", 2, 1)


def test_a_pulse_that_never_began_can_be_stopped(client: Redis, prefix: str) -> None:
    pulse(client, Keys(prefix), Meter()).stop()
    assert not client.exists(f"{prefix}:health")


def test_a_redis_that_is_away_does_not_end_it(start_redis: StartRedis, capfd: pytest.CaptureFixture[str]) -> None:
    server = start_redis()
    with connect(server.uri) as client:
        server.stop()
        beating = pulse(client, Keys("p"), Meter())
        beating.start()
        beating.stop()
    assert "Traceback" not in capfd.readouterr().err
