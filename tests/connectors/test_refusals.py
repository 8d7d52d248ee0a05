"""A record that Redis refuses for itself, on Valkey and on Redis 8, and outages that must not be taken for that."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import TransientError
from connectors.letter_box import read_letters
from connectors.records import Record
from connectors.redis_client import connect, translated
from connectors.refusals import ATTEMPTS, Refusals, Refused
from tests.conftest import REDIS_KINDS, StartRedis, wait_until
from tests.connectors.test_redis_streams import alone, record

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)
LARGE = record("large", 2, text="x" * 2_000_000)


@pytest.fixture
def client(redis_kind: str, start_redis: StartRedis) -> Generator[Redis]:
    """Of a server that takes no value of more than 1 MB."""
    client = connect(start_redis(kind=redis_kind).uri)
    client.config_set("proto-max-bulk-len", "1mb")
    yield client
    client.close()


def url_of(client: Redis) -> str:
    return f"redis://127.0.0.1:{client.connection_pool.connection_kwargs['port']}/0"


def keys_of(client: Redis) -> list[str]:
    found: list[tuple[str, dict[str, str]]] = client.xrange("s")  # pyright: ignore[reportAssignmentType]
    return [Record.from_fields(fields).key for _, fields in found]


def test_a_record_that_is_refused_becomes_a_letter_and_the_others_are_written(client: Redis) -> None:
    part = alone(url_of(client), ending=Ending())
    part.write([record("a", 1), LARGE, record("b", 3)])
    part.write([record("c", 4)])
    assert keys_of(client) == ["a", "b", "c"]
    (found,) = read_letters(client, "s:deadletter")
    assert (found.letter.stage, found.letter.collection, found.letter.key) == ("write", "comments", "large")
    assert "is proto-max-bulk-len" in found.letter.error
    assert "xxx" not in str(found)


def test_an_outage_that_begins_with_a_large_record_is_waited_for(client: Redis) -> None:
    client.config_set("proto-max-bulk-len", "512mb")
    ending, port = Ending(), client.connection_pool.connection_kwargs["port"]
    part = alone(f"redis://127.0.0.1:{port}/0", ending=ending)
    client.config_set("maxclients", "1")  # who comes next is turned away, PING too
    client.client_kill_filter(_type="normal", skipme=True)
    writer = threading.Thread(target=part.write, args=([LARGE],))
    writer.start()
    writer.join(timeout=2)
    assert writer.is_alive()
    client.config_set("maxclients", "100")
    writer.join(timeout=30)
    wait_until(lambda: keys_of(client) == ["large"])
    assert not list(read_letters(client, "s:deadletter"))


def test_it_is_certain_only_after_several_refusals_of_something_large_while_redis_answers(client: Redis) -> None:
    def error() -> TransientError:
        try:
            with translated("writing"):
                raise ConnectionResetError
        except TransientError as exc:
            return exc

    refusals = Refusals(client)
    met = [refusals.met(error(), [LARGE]) for _ in range(ATTEMPTS)]
    assert [type(m) for m in met] == [*[TransientError] * (ATTEMPTS - 1), Refused]
    small = Refusals(client)
    assert {type(small.met(error(), [record("a", 1)])) for _ in range(3 * ATTEMPTS)} == {TransientError}
    client.shutdown(nosave=True)
    away = Refusals(client)
    assert {type(away.met(error(), [LARGE])) for _ in range(2 * ATTEMPTS)} == {TransientError}
