"""State is kept in shards: each holds the entities whose keys hash to it, and is one key of the engine's in each stage.

The engine's cost of a key (a visit, a snapshot, the look at every key when an epoch ends) is so paid by shard and not
by row. Pure.
"""

from __future__ import annotations

from zlib import crc32

SHARDS = 64
"""Enough for any number of workers that one job has use for; few enough that a batch brings each several messages. A
later version must not change it, for state is kept by shard."""

NAMES = tuple(f"{number:02}" for number in range(SHARDS))


def shard_of(key: str) -> str:
    """The shard of an entity: a hash that every process and every run agrees on."""
    return NAMES[crc32(key.encode()) % SHARDS]
