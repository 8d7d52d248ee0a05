"""What a job's figures say together."""

from __future__ import annotations

import json
import threading

import pytest

from connectors.errors import ConfigError
from connectors.redis_client import connect
from connectors.settings import Keys
from flows.verify import following
from flows.verify.following import JobWatch, standing_of


def figures(state: str, position: str, at_ms: int = 1, **more: str) -> str:
    return json.dumps({"state": state, "position": position, "at_ms": at_ms, **more})


def test_the_process_furthest_behind_counts() -> None:
    standing = standing_of({"0": figures("tail", "07"), "1": figures("tail", "05")})
    assert (standing.position, standing.states) == ("05", {"tail"})


def test_a_process_without_a_share_of_the_source_holds_nothing_up() -> None:
    standing = standing_of({"0": figures("tail", "07"), "1": figures("starting", "")})
    assert (standing.position, standing.states) == ("07", {"tail"})
    assert standing_of({"0": figures("starting", "")}).states == {"starting"}


def test_a_job_has_ended_when_all_have_stopped_or_nobody_ever_spoke() -> None:
    assert standing_of({}).has_ended
    assert standing_of({"0": figures("stopped", "07")}).has_ended
    assert not standing_of({"0": figures("stopped", "07"), "1": figures("tail", "07")}).has_ended
    assert standing_of({"0": "garbled", "1": "5"}).has_ended


def test_a_killed_job_is_not_waited_for(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_SILENT_S", 0.5)
    with connect(redis_url) as client:
        client.hset(Keys(prefix).health, "0", figures("tail", "0000000100000001"))
        watch = JobWatch(client, Keys(prefix))
        assert not watch.is_running()
        assert not watch.wait_for("0000000200000001", timeout_s=60)


def test_a_job_that_has_just_begun_is_waited_for(redis_url: str, prefix: str) -> None:
    with connect(redis_url) as client:
        now_ms = client.time()[0] * 1000  # pyright: ignore[reportIndexIssue]
        client.hset(Keys(prefix).job, mapping={"writer": "w", "writer_epoch": 1, "writer_seen_ms": now_ms})
        watch = JobWatch(client, Keys(prefix))
        speaker = threading.Timer(0.5, client.hset, (Keys(prefix).health, "0", figures("snapshot", "")))
        speaker.start()
        assert watch.is_running()
        speaker.join()


def test_a_job_that_begins_anew_to_read_again_is_waited_for(redis_url: str, prefix: str) -> None:
    with connect(redis_url) as client:
        client.hset(Keys(prefix).job, "asked", "1")
        client.hset(Keys(prefix).health, "0", figures("stopped", "0000000100000001"))
        watch = JobWatch(client, Keys(prefix))
        news = (Keys(prefix).health, "0", figures("tail", "0000000300000001", 2))
        speaker = threading.Timer(0.5, client.hset, news)
        speaker.start()
        assert watch.is_running()
        assert watch.wait_for("0000000200000001", timeout_s=5)
        speaker.join()


def test_a_job_that_follows_is_waited_for_and_one_that_does_not_is_named(redis_url: str, prefix: str) -> None:
    with connect(redis_url) as client:
        client.hset(Keys(prefix).health, "0", figures("snapshot", "0000000100000001"))
        watch = JobWatch(client, Keys(prefix))
        with pytest.raises(ConfigError, match=r"00:00:01Z, in state snapshot; expected 1970-01-01T00:00:02Z"):
            watch.wait_for("0000000200000001", timeout_s=0)
        client.hset(Keys(prefix).health, "0", figures("tail", "0000000200000002", 2))
        assert watch.is_running()
        assert watch.wait_for("0000000200000001", timeout_s=0)
