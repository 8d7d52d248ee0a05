"""What Redis knows of a replay, and when one of its name may begin or go on, on a real Redis."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import ConfigError
from connectors.redis_client import connect
from connectors.settings import Keys
from connectors.writer import Lease, acquire
from flows.replaying import ledger
from flows.replaying.note import Note
from flows.replaying.tally import Summary

ASKED = {"chapter": "c", "until": "5"}
SUMMARY = Summary({"films": 3}, left_out=1, letters=0, read=4, from_ms=0, until_ms=0, finished=True, took_s=1.0)


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix).of_replay("mine")


@pytest.fixture
def lease(client: Redis, keys: Keys) -> Lease:
    return acquire(client, keys.job, ending=Ending())


def note(replay_id: str = "id", *, name: str = "mine", cut: str = "") -> Note:
    return Note(name, replay_id, "", cut, {})


def test_an_unfinished_one_goes_on_with_what_it_was_begun_with_and_nothing_else(
    client: Redis, keys: Keys, lease: Lease
) -> None:
    assert ledger.claim(lease, keys, {}, "id", ASKED) == "id"
    known = ledger.known_of(client, keys)
    ledger.check_open(known, keys, note(), "mine")
    ledger.check_open(known, keys, None, "mine")
    assert ledger.claim(lease, keys, known, "another", ASKED) == "id"
    with pytest.raises(ConfigError, match="was begun with until = '5', not '6'"):
        ledger.claim(lease, keys, known, "another", {**ASKED, "until": "6"})


def test_a_finished_one_is_refused_unless_it_was_cut_off_before_it_said_so(
    client: Redis, keys: Keys, lease: Lease
) -> None:
    ledger.claim(lease, keys, {}, "id", ASKED)
    ledger.note_run(lease, keys, SUMMARY, "")
    ledger.note_run(lease, keys, SUMMARY, "cut")
    known = ledger.known_of(client, keys)
    assert (known["state"], known["written"], known["left_out"], known["cut"]) == ("finished", "6", "2", "cut")
    for found in (None, note(cut="cut")):
        with pytest.raises(ConfigError, match="has come to its end already"):
            ledger.check_open(known, keys, found, "mine")
    ledger.check_open(known, keys, note(), "mine")


def test_redis_and_the_recovery_folder_must_know_the_same_replay(client: Redis, keys: Keys, lease: Lease) -> None:
    with pytest.raises(ConfigError, match="Redis lost its data"):
        ledger.check_open({}, keys, note(), "mine")
    ledger.claim(lease, keys, {}, "id", ASKED)
    with pytest.raises(ConfigError, match="does not know the replay mine"):
        ledger.check_open(ledger.known_of(client, keys), keys, note("other"), "mine")
    with pytest.raises(ConfigError, match="that of the replay yours, not of mine"):
        ledger.check_open(ledger.known_of(client, keys), keys, note(name="yours"), "mine")


def test_what_one_has_left_goes_and_nothing_else(client: Redis, keys: Keys, lease: Lease, prefix: str) -> None:
    ledger.claim(lease, keys, {}, "id", ASKED)
    stream = f"{prefix}:replay:mine"
    others = [f"{stream}2", f"{stream}:0:0", f"{prefix}:changes", f"{prefix}:replay:mine.1"]
    for key in (stream, f"{stream}:0", f"{stream}:12", f"{stream}:deadletter", *others):
        client.xadd(key, {"a": "b"})
    ledger.forget(client, lease, keys)
    assert set(client.keys(f"{prefix}:*")) == {*others, keys.job}  # type: ignore[arg-type]
    assert "replay_id" not in ledger.known_of(client, keys)
    lease.renew()
