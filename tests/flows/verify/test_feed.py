"""What is told from a stream without reading it."""

from __future__ import annotations

import pytest
from redis import Redis

from connectors.redis_client import connect
from flows.verify.feed import is_trimmed, next_count
from tests.conftest import REDIS_KINDS


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_a_trimmed_stream_is_told_from_one_with_deleted_entries(redis_url: str, prefix: str) -> None:
    stream = f"{prefix}:changes"

    def trimmed(client: Redis) -> bool:
        return is_trimmed(client.xinfo_stream(stream), maxlen=1000)  # pyright: ignore[reportArgumentType]

    with connect(redis_url) as client:
        ids = [str(client.xadd(stream, {"n": n})) for n in range(300)]
        assert not trimmed(client)
        client.xdel(stream, ids[0], ids[7])
        assert not trimmed(client)
        client.delete(stream)
        for n in range(300):
            client.xadd(stream, {"n": n}, maxlen=100, approximate=True)
        assert trimmed(client)


@pytest.mark.parametrize(
    ("info", "trimmed"),
    [
        ({"length": 999}, False),
        ({"length": 1000}, True),
        ({"length": 1000, "entries-added": 1001, "max-deleted-entry-id": "5-0"}, True),
        ({"length": 1000, "entries-added": 1000, "max-deleted-entry-id": "0-0"}, False),
        ({"length": 3, "entries-added": 5, "max-deleted-entry-id": "5-0"}, False),
    ],
)
def test_servers_that_do_not_count_are_judged_by_the_bound(info: dict[str, object], *, trimmed: bool) -> None:
    assert is_trimmed(info, maxlen=1000) is trimmed


def test_a_reply_grows_with_small_records_and_shrinks_with_large_ones() -> None:
    assert [next_count(512, chars) for chars in (10, 1_000_000, 40_000_000)] == [512, 512, 128]
    assert next_count(8, 40_000_000) == 8
    assert next_count(8, 10) == 16
