"""The pulse, on a real Redis."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import ClockSetBack, Fenced, StreamLost
from connectors.records import Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys
from connectors.writer import Lease, acquire
from flows.clock import ClockWatch
from flows.health import Health
from flows.pulse import Pulse
from flows.rates import Meter
from tests.conftest import StartRedis, wait_until

RECORD = Record("movies", "c", "k", 1, "01", Versions("01", {}))


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    with connect(redis_url) as client:
        yield client


def pulse(keys: Keys, meter: Meter | None = None, ending: Ending | None = None) -> Pulse:
    return Pulse(keys, process=3, meter=meter or Meter(), health=Health(started_ms=1), ending=ending or Ending())


def lock(client: Redis, keys: Keys) -> Lease:
    return acquire(client, keys.job, ending=Ending())


def test_its_last_beat_tells_what_is_left_and_that_the_job_has_stopped(client: Redis, prefix: str) -> None:
    meter, keys = Meter(), Keys(prefix)
    beating = pulse(keys, meter)
    beating.start(lock(client, keys))
    meter.add([RECORD, RECORD], 5, 1)
    beating.stop()
    told: Any = client.xrange(keys.rates)
    assert sum(json.loads(fields["counts"]).get("movies", {}).get("c", 0) for _, fields in told) == 2
    assert told[-1][1]["process"] == "3"
    health: Any = client.hgetall(keys.health)
    assert list(health) == ["3"]
    figures = json.loads(health["3"])
    assert (figures["state"], figures["written"], figures["skipped"]) == ("stopped", 2, 1)


def test_it_renews_the_lock_and_releases_it_at_the_end(client: Redis, prefix: str) -> None:
    keys = Keys(prefix)
    beating = pulse(keys)
    beating.start(lock(client, keys))
    first = client.hget(keys.job, "writer_seen_ms")
    wait_until(lambda: client.hget(keys.job, "writer_seen_ms") != first)
    beating.stop()
    assert not client.hexists(keys.job, "writer")


def take_over(client: Redis, keys: Keys) -> None:
    lock(client, keys)


def lose_data(client: Redis, keys: Keys) -> None:
    client.delete(keys.job)


@pytest.mark.parametrize(("happens", "error"), [(take_over, Fenced), (lose_data, StreamLost)])
def test_it_ends_a_job_whose_lock_is_gone_and_tells_nothing_more(
    client: Redis, prefix: str, happens: Any, error: type[Exception]
) -> None:
    ending, keys = Ending(), Keys(prefix)
    beating = pulse(keys, ending=ending)
    lease = lock(client, keys)
    happens(client, keys)
    beating.start(lease)
    wait_until(lambda: ending.error is not None)
    assert isinstance(ending.error, error)
    beating.stop()
    assert not client.exists(keys.health, keys.rates)


def test_a_job_that_begins_anew_in_this_process_keeps_the_lock_and_is_followed_at_once(
    client: Redis, prefix: str
) -> None:
    keys = Keys(prefix)
    beating, lease = pulse(keys), lock(client, keys)
    beating.start(lease)
    beating.stop(begins_anew=True)
    assert json.loads(str(client.hget(keys.health, "3")))["state"] == "stopped"
    assert client.hget(keys.job, "writer") == lease.fence.token
    began_s = time.monotonic()
    assert lock(client, keys).fence.epoch == lease.fence.epoch + 1
    assert time.monotonic() - began_s < 1


@pytest.mark.parametrize(("is_cluster", "asked"), [(False, False), (False, True), (True, True)])
def test_a_clock_that_is_set_back_ends_the_job_and_frees_the_lock_if_nobody_goes_on(
    client: Redis, prefix: str, monkeypatch: pytest.MonkeyPatch, *, is_cluster: bool, asked: bool
) -> None:
    def check(_: ClockWatch) -> None:
        raise ClockSetBack("set back")

    monkeypatch.setattr(ClockWatch, "check", check)
    ending, keys = Ending(), Keys(prefix)
    lease = lock(client, keys)
    if asked:
        ending.request()
    left = threading.Event()
    ending.on_abandon(left.set)
    pulse(keys, ending=ending).start(lease, is_cluster=is_cluster)
    assert left.wait(10)
    assert client.hexists(keys.job, "writer") == (is_cluster or not asked)
    assert isinstance(ending.error, ClockSetBack)
    if is_cluster:
        told: Any = client.hget(keys.job, f"process:{lease.fence.token}:3")
        assert (json.loads(told)["end"], json.loads(told)["kind"]) == ("abandoned", "ClockSetBack")


def test_a_pulse_that_never_began_can_be_stopped(client: Redis, prefix: str) -> None:
    pulse(Keys(prefix)).stop()
    assert not client.exists(f"{prefix}:health")


def test_a_redis_that_is_away_does_not_end_it(start_redis: StartRedis, capfd: pytest.CaptureFixture[str]) -> None:
    server, ending = start_redis(), Ending()
    with connect(server.uri) as client:
        lease = lock(client, Keys("p"))
        server.stop()
        beating = pulse(Keys("p"), ending=ending)
        beating.start(lease)
        beating.stop()
    assert "Traceback" not in capfd.readouterr().err
    assert not ending.requested


def test_a_process_of_a_cluster_is_known_to_the_others_before_its_first_beat(client: Redis, prefix: str) -> None:
    keys = Keys(prefix)
    beating, lease = pulse(keys), lock(client, keys)
    beating.start(lease, is_cluster=True)
    assert client.hexists(keys.job, f"process:{lease.fence.token}:3")
    assert not client.exists(keys.rates), "there was no beat yet"
    beating.stop()
