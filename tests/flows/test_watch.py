"""What the live job hands to its sink."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.dead_letters import DeadLetter, Output
from connectors.records import Record, Versions, shard_of
from flows.watch import sharded


def _record(key: str) -> Record:
    return Record("films", "c", key, 0, "01", Versions("01", {}))


def _letter(key: str) -> DeadLetter:
    return DeadLetter("read", "films", key, "c", "01", 0, "broken", "{}")


keys = st.text("abcdefgh", min_size=1, max_size=2)


@given(st.lists(st.builds(_record, keys) | st.builds(_letter, keys)), st.integers(1, 4))
def test_a_batch_is_one_item_for_each_shard_and_keeps_its_order(outputs: list[Output], shards: int) -> None:
    items = sharded(outputs, shards)
    assert len({shard for shard, _ in items}) == len(items)
    for shard, part in items:
        assert list(part) == [o for o in outputs if shard_of("films", o.key, shards) == int(shard)]
    assert sum(len(part) for _, part in items) == len(outputs)
