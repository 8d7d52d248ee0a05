"""Pages of a feed on real servers: every entry once, from either end, whatever happens to the streams meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from connectors.errors import ConfigError, TransientError
from connectors.places import Page, Place, Span
from connectors.reach import reach_from
from connectors.redis_client import connect, connect_async
from connectors.settings import Keys
from connectors.stream_pages import Budget, Fields, page_of, reach_of, settled_end
from tests.conftest import REDIS_KINDS

T = TypeVar("T")


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
    return Keys(prefix, shards=3)


def run(redis_url: str, work: Callable[[AsyncRedis], Awaitable[T]]) -> T:
    async def main() -> T:
        client = connect_async(redis_url)
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def write(client: Redis, keys: Keys, numbers: range, **more: str) -> list[str]:
    """Entries spread over the shards; several share an id, as those of one millisecond may. Gives their addresses."""
    pipeline = client.pipeline(transaction=False)
    addresses: list[str] = []
    for n in numbers:
        place = Place(1000 + n // 6, n // 3 % 2, n % 3)
        addresses.append(str(place))
        pipeline.xadd(keys.changes[n % 3], {"n": str(n), "even": str(n % 2 == 0), **more}, id=place.id)
    pipeline.execute()
    return addresses


def numbers(page: Page) -> list[int]:
    return [int(entry.fields["n"]) for entry in page.entries]


@pytest.mark.parametrize("newest_first", [True, False])
def test_paging_on_gives_every_entry_once_in_order(
    redis_url: str, client: Redis, keys: Keys, newest_first: bool
) -> None:
    write(client, keys, range(1000))

    async def all_pages(redis: AsyncRedis) -> list[int]:
        got: list[int] = []
        span = Span()
        while True:
            page = await page_of(redis, keys.changes, span, count=70, newest_first=newest_first)
            got += numbers(page)
            if page.stopped == "end":
                return got
            assert page.at is not None
            span = span.past(page.at, newest_first=newest_first)

    expected = list(range(1000))
    assert run(redis_url, all_pages) == (expected[::-1] if newest_first else expected)


def test_only_what_is_wanted_comes_and_the_filter_does_not_see_what_is_hidden(
    redis_url: str, client: Redis, keys: Keys
) -> None:
    write(client, keys, range(100), secret="yes")

    def without_secret(fields: Fields) -> Fields:
        return {name: text for name, text in fields.items() if name != "secret"}

    def even(fields: Fields) -> bool:
        assert "secret" not in fields
        return fields["even"] == "True"

    page = run(
        redis_url,
        lambda redis: page_of(
            redis, keys.changes, Span(), count=10, newest_first=True, wanted=even, seen_as=without_secret
        ),
    )
    assert numbers(page) == list(range(98, 78, -2))
    assert page.stopped == "full"
    assert page.looked == 20
    assert all("secret" not in entry.fields for entry in page.entries)


def test_a_filter_that_matches_nothing_stops_at_its_budget_and_goes_on_from_there(
    redis_url: str, client: Redis, keys: Keys
) -> None:
    addresses = write(client, keys, range(500))

    async def looked(redis: AsyncRedis) -> list[tuple[str, int, str]]:
        pages: list[tuple[str, int, str]] = []
        span = Span()
        while not pages or pages[-1][0] == "budget":
            page = await page_of(
                redis,
                keys.changes,
                span,
                count=10,
                newest_first=True,
                wanted=lambda _: False,
                budget=Budget(entries=200, seconds=60),
            )
            assert page.at is not None
            pages.append((page.stopped, page.looked, str(page.at)))
            span = span.past(page.at, newest_first=True)
        return pages

    assert run(redis_url, looked) == [
        ("budget", 200, addresses[300]),
        ("budget", 200, addresses[100]),
        ("end", 100, addresses[0]),
    ]


def test_a_request_ends_when_its_time_is_over(redis_url: str, client: Redis, keys: Keys) -> None:
    write(client, keys, range(50))
    ticks = iter(range(1000))
    page = run(
        redis_url,
        lambda redis: page_of(
            redis,
            keys.changes,
            Span(),
            count=50,
            newest_first=True,
            budget=Budget(entries=1000, seconds=5),
            now_s=lambda: float(next(ticks)),
        ),
    )
    assert page.stopped == "budget"
    assert numbers(page) == [49, 48, 47, 46, 45]


def test_a_cursor_stays_right_when_what_it_names_was_trimmed(redis_url: str, client: Redis, keys: Keys) -> None:
    write(client, keys, range(90))

    async def around_a_trim(redis: AsyncRedis) -> tuple[Page, Page]:
        first = await page_of(redis, keys.changes, Span(), count=20, newest_first=False)
        for stream in keys.changes:
            client.xtrim(stream, maxlen=10, approximate=False)
        assert first.at is not None
        return first, await page_of(redis, keys.changes, Span(after=first.at), count=100, newest_first=False)

    first, second = run(redis_url, around_a_trim)
    assert numbers(first) == list(range(20))
    assert numbers(second) == list(range(60, 90))
    reach = run(redis_url, lambda redis: reach_of(redis, keys.changes))
    assert reach.complete_from == Place.moment(1010)
    assert reach.oldest == Place.of(0, "1010-0")
    assert (reach.entries, reach.gone) == (30, 60)


def test_what_was_never_trimmed_has_no_gap(redis_url: str, client: Redis, keys: Keys) -> None:
    nothing = run(redis_url, lambda redis: reach_of(redis, keys.changes))
    assert nothing == (0, None, None, None, 0)
    write(client, keys, range(5))
    reach = run(redis_url, lambda redis: reach_of(redis, keys.changes))
    assert reach == (5, Place.of(0, "1000-0"), Place.of(1, "1000-1"), None, 0)


def test_a_stream_that_was_emptied_is_complete_from_after_its_last_entry(
    redis_url: str, client: Redis, keys: Keys
) -> None:
    write(client, keys, range(6))
    client.xtrim(keys.changes[2], maxlen=0)
    assert run(redis_url, lambda redis: reach_of(redis, keys.changes)).complete_from == Place.moment(1001)


def test_an_old_server_does_not_know_how_many_are_gone() -> None:
    old: dict[str, Any] = {
        "length": 1,
        "first-entry": ("5-0", {}),
        "last-entry": ("5-0", {}),
        "last-generated-id": "5-0",
    }
    assert reach_from({0: old}) == (1, Place(5, 0, 0), Place(5, 0, 0), Place.moment(5), None)
    within: dict[str, Any] = {**old, "first-entry": ("5-1", {})}
    assert reach_from({0: old, 1: within}).complete_from == Place(5, 1, 1)


def test_a_page_of_large_entries_is_full_early_and_goes_on(redis_url: str, client: Redis, keys: Keys) -> None:
    write(client, keys, range(40), text="x" * 1_000_000)

    async def both(redis: AsyncRedis) -> tuple[Page, Page]:
        first = await page_of(redis, keys.changes, Span(), count=36, newest_first=True)
        assert first.at is not None
        return first, await page_of(redis, keys.changes, Span(before=first.at), count=36, newest_first=True)

    first, second = run(redis_url, both)
    assert (first.stopped, len(first.entries)) == ("full", 20)
    assert numbers(first) + numbers(second) == list(range(39, -1, -1))


def test_before_the_settled_end_nothing_is_written_any_more(redis_url: str, client: Redis, keys: Keys) -> None:
    for _ in range(50):
        at = client.xadd(keys.changes[0], {"n": "1"})
        end = run(redis_url, lambda redis: settled_end(redis, keys.changes))
        later = [str(client.xadd(stream, {"n": "2"})) for stream in keys.changes]
        assert Place.of(0, str(at)) < end
        assert all(Place.of(n, entry_id) > end for n, entry_id in enumerate(later))


def test_the_settled_end_is_behind_entries_of_a_clock_that_was_ahead(redis_url: str, client: Redis, keys: Keys) -> None:
    ahead_ms = time.time_ns() // 1_000_000 + 3_600_000
    client.xadd(keys.changes[1], {"n": "1"}, id=f"{ahead_ms}-0")
    assert run(redis_url, lambda redis: settled_end(redis, keys.changes)) == Place.moment(ahead_ms + 1)


def test_a_key_of_another_type_is_said_in_words(redis_url: str, client: Redis, keys: Keys) -> None:
    client.set(keys.changes[1], "not a stream")
    asks: list[Callable[[AsyncRedis], Awaitable[Any]]] = [
        lambda redis: page_of(redis, keys.changes, Span(), count=5, newest_first=True),
        lambda redis: settled_end(redis, keys.changes),
        lambda redis: reach_of(redis, keys.changes),
    ]
    for ask in asks:
        with pytest.raises(ConfigError, match="another type"):
            run(redis_url, ask)


def test_a_server_that_is_away_is_a_passing_error() -> None:
    with pytest.raises(TransientError):
        run("redis://127.0.0.1:1/0", lambda redis: reach_of(redis, ("s",)))
