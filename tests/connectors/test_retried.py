"""When a row that was read again is written, and how it reads there."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from redis import Redis

from connectors.changes import RETRIED, Op
from connectors.last_record import last_record
from connectors.records import LookupVersion, Record, Versions
from connectors.redis_client import connect
from connectors.retried import after_last, places_of_retried
from connectors.retries import Retry
from connectors.retry_desk import RetryDesk
from connectors.settings import Keys
from tests.conftest import REDIS_KINDS


def record(
    row: str, after: str | None, *, op: Op = "r", n: int | None = None, cause: str | None = None, key: str = "k"
) -> Record:
    lookups = {} if n is None else {"movie": LookupVersion(n, "m", "p")}
    return Record("v", op, key, 1, row, Versions(row, lookups), after=after, cause=cause)


AGAIN = f"05{RETRIED}"


def test_without_a_last_record_it_is_written_as_it_is() -> None:
    again = record(AGAIN, '{"a":1}')
    assert after_last(again, None) == again


@pytest.mark.parametrize(
    ("last", "written"),
    [
        (record("04", '{"a":1,"b":2}'), False),
        (record("04", '{"b":2,"a":1}'), False),
        (record("04", '{"a":2}'), True),
        (record("04", '{"a":true,"b":2}'), True),  # which Python takes for 1
        (record("06", '{"a":2}'), False),
        (record("04", None, op="d"), True),
        (record("04", None, op="u"), True),
        (record(AGAIN, '{"a":1,"b":2}'), False),
    ],
)
def test_a_row_without_lookups_is_written_if_the_feed_says_something_else_and_nothing_later(
    last: Record, *, written: bool
) -> None:
    again = record(AGAIN, '{"a":1,"b":2}')
    expected = again._replace(before=last.after) if written else None
    assert after_last(again, last) == expected


@pytest.mark.parametrize(
    ("row", "n", "last", "written"),
    [
        ("03", 2, record("03", '{"a":1}', n=2), False),
        ("03", 2, record("03", '{"a":1}', n=3), False),
        ("03", 2, record("02", '{"a":1}', n=2), True),  # the version that the feed lacks
        (AGAIN, 2, record("03", '{"a":1}', n=2), True),
        (AGAIN, 2, record("06", '{"a":1}', n=2), False),
    ],
)
def test_a_row_with_lookups_is_written_if_its_version_is_forward(
    row: str, n: int, last: Record, *, written: bool
) -> None:
    again = record(AGAIN, '{"a":1}', n=n)._replace(versions=record(row, None, n=n).versions)
    assert (after_last(again, last) is not None) is written


@pytest.mark.parametrize(("op", "written"), [("d", False), ("c", True), ("u", True)])
def test_a_row_that_is_gone_is_deleted_once(op: Op, *, written: bool) -> None:
    last = record("04", None if op == "d" else "{}", op=op)
    assert (after_last(record(AGAIN, None, op="d"), last) is not None) is written


def test_a_record_that_a_lookup_caused_is_none_of_this() -> None:
    records = [record("05.00000001", "{}"), record(AGAIN, "{}"), record(AGAIN, "{}", cause="movie")]
    assert places_of_retried(records) == [1]


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    client = connect(redis_url)
    yield client
    client.close()


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_the_last_record_of_a_row_is_found_however_far_back_it_is(client: Redis, prefix: str) -> None:
    stream = f"{prefix}:changes"
    rows = [("x", 1), *((f"k{i}", 1) for i in range(2500)), ("y", 1), ("y", 2)]
    with client.pipeline() as pipe:
        for key, n in rows:
            pipe.xadd(stream, {**record(f"{n:02}", '{"n":1}', key=key).to_fields()})
        pipe.xadd(stream, {"note": "of somebody else"})
        pipe.execute()
    assert last_record(client, stream, "v", "y") == record("02", '{"n":1}', key="y")
    assert last_record(client, stream, "v", "x") == record("01", '{"n":1}', key="x")
    assert last_record(client, stream, "v", "z") is None
    assert last_record(client, f"{prefix}:none", "v", "z") is None


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_a_request_keeps_its_place_and_goes_with_its_letter(client: Redis, prefix: str) -> None:
    keys = Keys(prefix)
    letter_id = str(client.xadd(keys.deadletter, {"note": "a letter"}))
    desk, asked = RetryDesk(client, keys), Retry(letter_id, "films", "1")
    desk.ask([asked])
    assert desk.wanted() == [asked]
    assert desk.claim(asked._replace(position="05"))
    desk.ask([asked])
    assert desk.wanted() == [asked._replace(position="05")]
    client.hset(keys.retries, "1-1", "not ours")
    assert desk.done([letter_id])
    assert desk.wanted() == []
    assert client.xlen(keys.deadletter) == 0
