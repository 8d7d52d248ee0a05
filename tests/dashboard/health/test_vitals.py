"""What Redis says of itself and of the feed."""

from __future__ import annotations

from dashboard.health.vitals import Memory, Stream, Vitals, id_ms


def test_memory_is_read_from_info_and_without_a_limit_that_is_0() -> None:
    info = {"used_memory": 5, "maxmemory": "9", "maxmemory_policy": "noeviction"}
    assert Memory.of_info(info) == Memory(5, 9, "noeviction")
    assert Memory.of_info({"used_memory": 5}) == Memory(5, 0, "noeviction")
    assert Memory.of_info({}) is None
    assert Memory.of_info({"used_memory": "much"}) is None


def test_the_feed_is_whole_from_the_latest_beginning_of_its_streams() -> None:
    vitals = Vitals(streams=(Stream("a", 3, 100, 900), Stream("b", 4, 200, 300), Stream("c", 0)))
    assert (vitals.length, vitals.reaches_to_ms) == (7, 200)
    assert Vitals(streams=(Stream("a", 0),)).reaches_to_ms is None


def test_a_moment_is_that_of_the_first_entry() -> None:
    assert id_ms([("1763760000000-3", {}), ("5-0", {})]) == 1_763_760_000_000
    assert id_ms([]) is None
