"""The gate between a snapshot's looked-up rows and the rest, for several workers or partitions: kept in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from redis import Redis

from connectors.errors import TransientError
from connectors.redis_client import translated


class RedisGate:
    """Opens once every partition has arrived. `gate_id` is of one run or generation, so that an earlier one's arrivals
    do not count.
    """

    def __init__(self, client: Redis, key: str, gate_id: str, partitions: int) -> None:
        self._client = client
        self._key = key
        self._gate_id = gate_id
        self._partitions = partitions
        self._here: dict[str, str] = {}

    def arrive(self, partition: str) -> None:
        """Remembered here; `is_open` writes it, as often as it takes, so that an outage of Redis does not lose it."""
        self._here[f"arrived:{self._gate_id}:{partition}"] = "1"

    def is_open(self) -> bool:
        try:
            with translated("waiting for the looked-up rows"):
                if self._here:
                    self._client.hset(self._key, mapping={**self._here})
                names = cast("list[str]", self._client.hkeys(self._key))
        except TransientError:
            return False
        return has_all(names, self._gate_id, self._partitions)


def has_all(names: Iterable[str], gate_id: str, partitions: int) -> bool:
    """Whether every partition has arrived at a gate, by the names of the fields."""
    return sum(name.startswith(f"arrived:{gate_id}:") for name in names) >= partitions
