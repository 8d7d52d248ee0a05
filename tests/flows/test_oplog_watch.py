"""The watch over the oplog, on real servers."""

from __future__ import annotations

import time

import pytest

from connectors import logs
from connectors.mongo_client import connect, read_position
from connectors.mongo_events import position_ms
from connectors.mongo_state import SourceProgress
from flows.health import Health
from flows.oplog_watch import OplogWatch
from tests.conftest import StartMongod, wait_until


def test_headroom_and_lag_in_events_are_told_once_there_is_a_position(mongo_uri: str, mongo_db: str) -> None:
    health = Health(started_ms=0)
    watch = OplogWatch(mongo_uri, mongo_db, ["c"], health=health, period_s=0.05)
    watch.start()
    with connect(mongo_uri) as client:
        position = read_position(client, mongo_db, ["c"])
    health.on_progress(SourceProgress("tail-0", "tail", "", 0, 0, position, position_ms(position)))
    wait_until(lambda: health.facts(0).behind == 0)
    facts = health.facts(0)
    assert facts.headroom_s is not None
    assert facts.headroom_s >= 0
    assert facts.partitions[0].position_age_s < 60, "by the server's clock, not by the 0 that was given"
    watch.stop()


def test_an_oplog_that_may_not_be_read_is_told_once(
    start_mongod: StartMongod, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(as_json=True)
    server = start_mongod(auth=True)
    health = Health(started_ms=0)
    uri = server.uri.replace("watcher:", "nobody:")
    watch = OplogWatch(uri, "shop", ["c"], health=health, period_s=0.02)
    watch.start()
    told: list[str] = []
    wait_until(lambda: told.append(capfd.readouterr().err) or "oplog.unreadable" in "".join(told))
    until_s = time.monotonic() + 0.3
    wait_until(lambda: time.monotonic() > until_s)
    watch.stop()
    assert ("".join(told) + capfd.readouterr().err).count("oplog.unreadable") == 1


def test_a_server_that_is_away_is_asked_again(start_mongod: StartMongod, capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(as_json=True)
    server = start_mongod()
    health = Health(started_ms=0)
    server.stop()
    watch = OplogWatch(server.uri, "shop", ["c"], health=health, period_s=0.02)
    watch.start()
    server.start()
    position = "6000000000000001"
    health.on_progress(SourceProgress("tail-0", "tail", "", 0, 0, position, position_ms(position)))
    wait_until(lambda: health.facts(0).headroom_s is not None, 30)
    watch.stop()
    assert "oplog" not in capfd.readouterr().err
