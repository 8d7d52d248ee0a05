"""A cluster that begins anew, on a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.process_ids import ProcessId
from connectors.redis_client import connect
from flows.former import LONGEST_WAIT_S, await_former
from flows.peers import Report

RUNNING = Report(1, ProcessId("elsewhere", 7, "another boot", "1"))


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    with connect(redis_url) as client:
        yield client


def test_a_run_without_others_is_not_waited_for(client: Redis, prefix: str) -> None:
    client.hset(f"{prefix}:job", mapping={"writer": "run", "process:earlier:1": RUNNING.to_json()})
    began_s = time.monotonic()
    await_former(client, f"{prefix}:job", Ending())
    assert time.monotonic() - began_s < LONGEST_WAIT_S


def test_the_others_are_waited_for_until_they_have_ended(client: Redis, prefix: str) -> None:
    key = f"{prefix}:job"
    client.hset(key, mapping={"writer": "run", "process:run:1": RUNNING.to_json()})
    done = threading.Timer(0.3, client.hset, (key, "process:run:1", RUNNING._replace(done=True).to_json()))
    began_s = time.monotonic()
    done.start()
    await_former(client, key, Ending())
    assert 0.3 <= time.monotonic() - began_s < LONGEST_WAIT_S
    done.join()


def test_a_stop_ends_the_wait(client: Redis, prefix: str) -> None:
    client.hset(f"{prefix}:job", mapping={"writer": "run", "process:run:1": RUNNING.to_json()})
    ending = Ending()
    ending.request()
    await_former(client, f"{prefix}:job", ending)
