"""The shard of a key is the same for every process and every run, and shards are of about one size."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from flows.join.shards import NAMES, SHARDS, shard_of


@pytest.mark.parametrize(
    ("key", "shard"), [("", "00"), ('"m"', "18"), ("573a1390f29313caabcd4135", "11"), ('"é"', "52")]
)
def test_a_key_has_the_shard_that_its_state_was_kept_in_ever_since(key: str, shard: str) -> None:
    assert shard_of(key) == shard


def test_there_are_as_many_shards_as_ever_and_their_names_sort_by_number() -> None:
    assert (SHARDS, len(set(NAMES)), NAMES[0], NAMES[-1]) == (64, 64, "00", "63")
    assert sorted(NAMES) == list(NAMES)


def test_another_process_finds_the_same_shard() -> None:
    program = "from flows.join.shards import shard_of; print(*[shard_of(f'k{i}') for i in range(50)])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == [shard_of(f"k{i}") for i in range(50)]


def test_keys_that_follow_each_other_are_spread_evenly() -> None:
    sizes = Counter(shard_of(f"573a1390f29313caab{i:06x}") for i in range(64_000))
    assert len(sizes) == SHARDS
    assert max(sizes.values()) < 2 * min(sizes.values())
