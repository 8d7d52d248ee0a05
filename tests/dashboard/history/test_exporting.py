"""An export holds what was in the feed when it began, and says so when it does not hold all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from connectors.places import Place
from connectors.records import Record, Versions
from connectors.redis_client import connect_async
from connectors.settings import Keys
from dashboard.access.roles import Hidden
from dashboard.filters import FilterError
from dashboard.history.exporting import Allowed, Export
from dashboard.history.exports import Order, Progress
from dashboard.history.pages import Chosen

ALL = Allowed("admin", 1_000_000, frozenset())


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, shards=3)


def write(redis_url: str, keys: Keys, count: int) -> list[str]:
    with Redis.from_url(redis_url) as client:
        pipeline = client.pipeline(transaction=False)
        for n in range(count):
            row = json.dumps({"title": f"Film {n}", "secret": "x"})
            record = Record("movies", "c", f"k{n}", n, "p", Versions("p", {}), after=row)
            pipeline.xadd(keys.changes[n % 3], {**record.to_fields()}, id=f"{1000 + n // 6}-{n // 3 % 2}")
        pipeline.execute()
    return [f"k{n}" for n in range(count)]


def exported(
    redis_url: str,
    keys: Keys,
    order: Order,
    allowed: Allowed = ALL,
    meanwhile: Callable[[Progress], bool] = lambda _: True,
) -> tuple[list[Any], Progress]:
    """The lines of the file, read, and how it ended."""

    async def tell(progress: Progress) -> bool:
        return meanwhile(progress)

    async def main() -> tuple[str, Progress]:
        redis = connect_async(redis_url)
        export = Export(redis, keys.changes, order, allowed, tell, tell_every_s=0)
        text = "".join([piece async for piece in export.pieces()])
        await redis.aclose()
        return text, export.progress

    text, progress = asyncio.run(main())
    return [json.loads(line) for line in text.splitlines()], progress


def test_every_record_is_in_it_once_in_order(redis_url: str, keys: Keys) -> None:
    written = write(redis_url, keys, 1000)
    lines, progress = exported(redis_url, keys, Order("jsonl", Chosen(), newest_first=False))
    assert [line["key"] for line in lines] == written
    assert progress == Progress("done", 1000, 1000, 1.0)
    newest, _ = exported(redis_url, keys, Order("jsonl", Chosen()))
    assert [line["key"] for line in newest] == written[::-1]


def test_what_comes_later_is_not_in_it_and_progress_grows(redis_url: str, keys: Keys) -> None:
    written = write(redis_url, keys, 1000)
    heard: list[Progress] = []

    def meanwhile(progress: Progress) -> bool:
        heard.append(progress)
        with Redis.from_url(redis_url) as client:
            client.xadd(keys.changes[0], {"key": "later"})
        return True

    lines, _ = exported(redis_url, keys, Order("jsonl", Chosen(), newest_first=False), meanwhile=meanwhile)
    assert [line["key"] for line in lines] == written
    assert len(heard) > 1
    assert sorted(heard) == heard
    assert [p.share for p in heard] == sorted(p.share for p in heard)


def test_a_limit_is_kept_and_said_in_the_last_line(redis_url: str, keys: Keys) -> None:
    written = write(redis_url, keys, 300)
    lines, progress = exported(redis_url, keys, Order("jsonl", Chosen()), Allowed("viewer", 100, frozenset()))
    *rows, last = lines
    assert [line["key"] for line in rows] == written[:199:-1]
    assert progress.state == "cut"
    assert (progress.rows, last) == (100, {"cut_off": progress.message})
    assert "role viewer" in progress.message
    assert str(Place.parse("2/1033-0", streams=3)) in progress.message
    exact, whole = exported(redis_url, keys, Order("jsonl", Chosen()), Allowed("viewer", 300, frozenset()))
    assert (len(exact), whole.state) == (300, "done")


def test_hidden_fields_are_neither_in_it_nor_found_by_its_filter(redis_url: str, keys: Keys) -> None:
    write(redis_url, keys, 10)
    viewer = Allowed("viewer", 100, frozenset({Hidden("movies", "secret")}))
    lines, _ = exported(redis_url, keys, Order("jsonl", Chosen()), viewer)
    assert {frozenset(line["after"]) for line in lines} == {frozenset({"title"})}
    assert exported(redis_url, keys, Order("jsonl", Chosen("secret = x")), viewer)[0] == []
    assert len(exported(redis_url, keys, Order("jsonl", Chosen("secret = x")))[0]) == 10


def test_it_ends_when_it_is_no_longer_wanted(redis_url: str, keys: Keys) -> None:
    write(redis_url, keys, 1000)
    _, progress = exported(redis_url, keys, Order("jsonl", Chosen()), meanwhile=lambda p: p.rows < 100)
    assert progress.state == "cancelled"
    assert 100 <= progress.rows < 1000


def test_a_filter_that_does_not_parse_is_refused_before_it_begins(redis_url: str, keys: Keys) -> None:
    with pytest.raises(FilterError):
        exported(redis_url, keys, Order("csv", Chosen("year >")))
