"""Reading streams of a real server: from a start, in order, across a reconnect."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import BadRecord, ConfigError, TransientError
from connectors.records import Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys
from connectors.stream_ids import Start
from connectors.stream_reader import StreamReader, newest, open_reader
from tests.conftest import REDIS_KINDS


def record(n: int) -> Record:
    return Record("movies", "c", f"k{n}", 1000 + n, f"p{n:04}", Versions(f"p{n:04}", {}), after='{"title":"Heat"}')


@pytest.fixture(params=REDIS_KINDS)
def redis_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, shards=2)


def write(client: Redis, stream: str, numbers: range) -> list[str]:
    return [str(client.xadd(stream, {**record(n).to_fields()})) for n in numbers]


def follow(redis_url: str, keys: Keys, start: Start, *, ending: Ending | None = None) -> StreamReader[Record]:
    return open_reader(redis_url, keys.changes, Record.from_fields, start=start, ending=ending)


def test_from_now_gives_what_is_written_after_opening(redis_url: str, client: Redis, keys: Keys) -> None:
    write(client, keys.changes[0], range(3))
    reader = follow(redis_url, keys, Start(None))
    write(client, keys.changes[1], range(3, 5))
    assert [entry.item.key for entry in itertools.islice(reader, 2)] == ["k3", "k4"]
    reader.close()


def test_from_an_id_begins_with_the_entry_after_it(redis_url: str, client: Redis, keys: Keys) -> None:
    ids = write(client, keys.changes[0], range(4))
    reader = follow(redis_url, keys, Start(ids[1]))
    assert [entry.id for entry in reader.to_end()] == ids[2:]
    assert reader.positions[keys.changes[0]] == ids[3]
    reader.close()


def test_shards_are_read_to_the_end_in_the_order_of_ids(redis_url: str, client: Redis, keys: Keys) -> None:
    for n in range(0, 2000, 10):
        write(client, keys.changes[n // 10 % 3 == 0], range(n, n + 10))
    reader = follow(redis_url, keys, Start.parse("start", now_ms=0))
    entries = list(reader.to_end())
    assert sorted(entry.item.ts_ms for entry in entries) == list(range(1000, 3000))
    ids = [tuple(map(int, entry.id.split("-"))) for entry in entries]
    assert ids == sorted(ids)
    reader.close()


def test_reading_ends_when_asked(redis_url: str, keys: Keys) -> None:
    ending = Ending()
    reader = follow(redis_url, keys, Start(None), ending=ending)
    ending.request()
    assert list(reader) == []
    reader.close()


def test_reading_goes_on_after_the_connection_broke(redis_url: str, client: Redis, keys: Keys) -> None:
    reader = follow(redis_url, keys, Start(None))
    entries = iter(reader)
    write(client, keys.changes[0], range(1))
    assert next(entries).item.key == "k0"
    client.client_kill_filter(_type="normal", skipme=True)
    write(client, keys.changes[0], range(1, 2))
    assert next(entries).item.key == "k1"
    reader.close()


def test_a_bad_entry_is_named(redis_url: str, client: Redis, keys: Keys) -> None:
    entry_id = client.xadd(keys.changes[0], {"schema": "9"})
    reader = follow(redis_url, keys, Start("0-0"))
    with pytest.raises(BadRecord, match=f"{keys.changes[0]} {entry_id}: .*schema"):
        list(reader.to_end())
    reader.close()


def test_newest_are_read_without_the_rest(client: Redis, keys: Keys) -> None:
    write(client, keys.changes[0], range(50))
    write(client, keys.changes[1], range(50, 60))
    client.xtrim(keys.changes[0], maxlen=2, approximate=False)
    assert sorted(entry.item["key"] for entry in newest(client, keys.changes, 12)) == [f"k{n}" for n in range(48, 60)]


def test_a_key_of_another_type_is_said_in_words(redis_url: str, client: Redis, keys: Keys) -> None:
    client.set(keys.changes[0], "not a stream")
    with pytest.raises(ConfigError, match="another type"):
        follow(redis_url, keys, Start(None))


def test_no_server_is_said_in_words() -> None:
    with pytest.raises(ConfigError, match=r"no Redis answers at redis://127\.0\.0\.1:1"):
        open_reader("redis://:secret@127.0.0.1:1/0", ("s",), Record.from_fields, start=Start(None))


def test_a_server_that_goes_away_is_tried_again() -> None:
    ending = Ending()
    seen: list[TransientError] = []

    def on_retry(error: TransientError, wait_s: float) -> None:
        assert 0 < wait_s <= 5
        seen.append(error)
        if len(seen) == 2:
            ending.request()

    client = connect("redis://127.0.0.1:1/0")
    reader = StreamReader(client, {"s": "0-0"}, Record.from_fields, ending=ending, on_retry=on_retry)
    assert list(reader) == []
    assert len(seen) == 2
