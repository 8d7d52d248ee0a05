"""The stream of dead letters, on Valkey and on Redis 8: each letter once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import pytest
from redis import Redis

from connectors.dead_letters import DeadLetter
from connectors.ending import Ending
from connectors.errors import Fenced, TooManyLetters, TransientError
from connectors.letter_box import LetterBox, read_letters
from connectors.letter_limit import LetterLimit
from connectors.redis_client import connect
from connectors.redis_streams import Letters
from connectors.settings import Keys
from connectors.writer import acquire
from tests.conftest import REDIS_KINDS, StartRedis
from tests.connectors.test_redis_streams import AT_START, RedisStreamPartition, record

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)


def letter(key: str) -> DeadLetter:
    return DeadLetter("read", "films", key, "c", "p", 5, "cannot be decoded", "{}")


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    client = connect(redis_url, resend=False)
    yield client
    client.close()


def keys_of(client: Redis, stream: str) -> list[str]:
    return [found.letter.key for found in read_letters(client, stream)]


def test_a_letter_that_comes_again_after_a_crash_is_not_written_again(client: Redis, prefix: str) -> None:
    stream = f"{prefix}:deadletter"
    client.xadd(stream, {"note": "of somebody else"})
    assert LetterBox(client, stream).put([letter("a"), letter("b"), letter("a")]) == [letter("a"), letter("b")]
    resumed = LetterBox(client, stream)
    assert resumed.put([letter("b"), letter("c")]) == [letter("c")]
    assert resumed.put([letter("a")]) == []
    assert keys_of(client, stream) == ["a", "b", "c"]


def test_many_letters_are_read_whole(client: Redis, prefix: str) -> None:
    stream = f"{prefix}:deadletter"
    keys = [str(i) for i in range(1200)]
    LetterBox(client, stream).put([letter(key) for key in keys])
    assert keys_of(client, stream) == keys


def test_when_a_reply_is_lost_the_stream_says_what_was_written(
    client: Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = f"{prefix}:deadletter"
    box = LetterBox(client, stream)
    box.put([letter("a")])
    pipeline: Any = cast("Any", client).pipeline

    def losing_the_reply(transaction: bool) -> object:
        pipe = pipeline(transaction=transaction)
        execute = pipe.execute

        def executed() -> None:
            execute()
            raise ConnectionResetError

        pipe.execute = executed  # type: ignore[method-assign]
        return pipe

    monkeypatch.setattr(client, "pipeline", losing_the_reply)
    with pytest.raises(TransientError):
        box.put([letter("b")])
    monkeypatch.undo()
    assert box.put([letter("b"), letter("c")]) == [letter("c")]
    assert keys_of(client, stream) == ["a", "b", "c"]


def test_the_sink_writes_records_and_letters_and_asks_for_the_end_when_there_are_too_many(
    client: Redis, prefix: str
) -> None:
    ending = Ending()
    letters = Letters(LetterBox(client, f"{prefix}:deadletter"), LetterLimit(2))
    part = RedisStreamPartition(client, f"{prefix}:changes", AT_START, maxlen=100, ending=ending, letters=letters)
    part.write([record("a", 1), letter("x"), record("b", 1), letter("y")])
    part.write([letter("x")])
    assert not ending.requested
    part.write([letter("z"), record("c", 1)])
    assert isinstance(ending.error, TooManyLetters)
    assert keys_of(client, f"{prefix}:deadletter") == ["x", "y", "z"]
    assert client.xlen(f"{prefix}:changes") == 3


def test_a_job_that_was_replaced_writes_no_letter(client: Redis, prefix: str) -> None:
    key = Keys(prefix).job
    lease = acquire(client, key, ending=Ending())
    box = LetterBox(client, f"{prefix}:deadletter", lease.fence)
    box.put([letter("a")])
    client.hset(key, mapping={"writer": "another", "writer_epoch": lease.fence.epoch + 1})
    with pytest.raises(Fenced):
        box.put([letter("b")])
    assert keys_of(client, f"{prefix}:deadletter") == ["a"]


def test_letters_are_held_while_redis_refuses_writes(redis_kind: str, start_redis: StartRedis) -> None:
    server = start_redis(kind=redis_kind)
    client = connect(server.uri, resend=False)
    client.config_set("maxmemory", "1")
    with pytest.raises(TransientError):
        LetterBox(client, "s").put([letter("a")])
    client.config_set("maxmemory", "0")
    assert LetterBox(client, "s").put([letter("a")]) == [letter("a")]
    client.close()
