"""The answers of the history, on a real Valkey."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from connectors.errors import ConfigError
from connectors.records import Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys
from dashboard.answers.history import history
from dashboard.filters import FilterError
from tests.dashboard.asking import asked


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, shards=3)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url) as client:
        yield client


def write(client: Redis, keys: Keys, count: int) -> list[str]:
    """So many records over the shards, a few in each millisecond; their addresses, oldest first."""
    pipeline = client.pipeline(transaction=False)
    addresses: list[str] = []
    for n in range(count):
        row = json.dumps({"title": f"Film {n}", "year": 1900 + n % 100})
        record = Record(("movies", "users")[n % 2], "c", f"k{n % 10}", 1000 + n, "p", Versions("p", {}), after=row)
        entry_id = f"{1000 + n // 6}-{n // 3 % 2}"
        pipeline.xadd(keys.changes[n % 3], {**record.to_fields()}, id=entry_id)
        addresses.append(f"{n % 3}/{entry_id}")
    pipeline.execute()
    return addresses


def addresses(page: dict[str, Any]) -> list[str]:
    return [f"{row['stream']}/{row['id']}" for row in page["rows"]]


def test_paging_back_and_forth_shows_every_record_once(redis_url: str, client: Redis, keys: Keys) -> None:
    written = write(client, keys, 250)
    args: dict[str, Any] = {"count": 40}
    back: list[str] = []
    page = asked(redis_url, keys, history, args)
    while True:
        back += addresses(page)
        if page["older"] is None:
            break
        assert page["missingBeforeMs"] is None
        page = asked(redis_url, keys, history, {**args, "before": page["older"]})
    assert back == written[::-1]
    forth = addresses(page)[::-1]
    while page["rows"]:
        page = asked(redis_url, keys, history, {**args, "after": page["newer"]})
        forth += addresses(page)[::-1]
    assert forth == written


def test_a_filter_a_view_a_key_and_a_time_are_combined(redis_url: str, client: Redis, keys: Keys) -> None:
    written = write(client, keys, 240)
    page = asked(redis_url, keys, history, {"filter": "year >= 1950 year < 1960", "count": 200})
    assert addresses(page) == [written[n] for n in range(239, -1, -1) if 50 <= n % 100 < 60]
    row = asked(redis_url, keys, history, {"view": "movies", "key": "k4", "fromMs": 1010, "toMs": 1020})
    assert addresses(row) == [written[n] for n in range(119, 59, -1) if n % 10 == 4]
    at = asked(redis_url, keys, history, {"atMs": 1010, "count": 2})
    assert addresses(at) == [written[65], written[64]]
    newer = asked(redis_url, keys, history, {"after": at["newer"], "count": 2})
    assert addresses(newer) == [written[67], written[66]]


def test_what_was_trimmed_is_said(redis_url: str, client: Redis, keys: Keys) -> None:
    write(client, keys, 60)
    client.xtrim(keys.changes[0], minid="1005-0", approximate=False)
    page = asked(redis_url, keys, history, {})
    assert (page["missingBeforeMs"], page["feed"]["gone"], page["feed"]["entries"]) == (1005, 10, 50)
    recent = asked(redis_url, keys, history, {"fromMs": 1005})
    assert recent["missingBeforeMs"] is None


def test_nothing_there_is_an_empty_page(redis_url: str, keys: Keys) -> None:
    page = asked(redis_url, keys, history, {})
    assert (page["rows"], page["older"], page["stopped"]) == ([], None, "end")


@pytest.mark.parametrize(
    ("args", "error"),
    [({"filter": "year >"}, FilterError), ({"before": "x"}, ConfigError), ({"after": "7/1-0"}, ConfigError)],
)
def test_a_question_that_makes_no_sense_is_refused(
    redis_url: str, keys: Keys, args: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        asked(redis_url, keys, history, args)
