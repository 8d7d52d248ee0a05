"""What Redis says of itself and of the feed: memory, the streams' lengths and ends, dead letters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from connectors.stream_ids import parts


class Memory(NamedTuple):
    """`limit` 0: there is none. `policy` is what Redis does when it is reached."""

    used: int
    limit: int
    policy: str

    @classmethod
    def of_info(cls, info: Mapping[str, Any]) -> Memory | None:
        """From the fields of `INFO memory`; None when they are not there."""
        try:
            limit = int(info.get("maxmemory") or 0)
            return cls(int(info["used_memory"]), limit, str(info.get("maxmemory_policy", "noeviction")))
        except (KeyError, TypeError, ValueError):
            return None


class Stream(NamedTuple):
    """One stream of the feed: how many entries it has, and when its first and last were written (Unix ms), None when it
    is empty.
    """

    name: str
    length: int
    first_ms: int | None = None
    last_ms: int | None = None


class Vitals(NamedTuple):
    """None is what could not be asked. `last_letter_ms` is when the newest dead letter was written; `processes` how
    many the job has, 0 when none has begun.
    """

    memory: Memory | None = None
    streams: tuple[Stream, ...] = ()
    dead_letters: int | None = None
    last_letter_ms: int | None = None
    processes: int = 0

    @property
    def length(self) -> int:
        return sum(stream.length for stream in self.streams)

    @property
    def reaches_to_ms(self) -> int | None:
        """From when on the feed is whole: the latest of the streams' beginnings."""
        return max((stream.first_ms for stream in self.streams if stream.first_ms is not None), default=None)


def id_ms(entries: Sequence[tuple[str, object]]) -> int | None:
    """When the first of these entries was written; None when there is none."""
    return parts(entries[0][0])[0] if entries else None
