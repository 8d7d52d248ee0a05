"""A consumer that follows the streams live, through every outage, and so sees what is trimmed later."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.acceptance.oracle import Entry

_BLOCK_MS = 200
_COUNT = 2000
_PAUSE_S = 0.05


class Follower:
    """Reads every entry once, in a thread. `entries` are those of each stream, in order; a context manager."""

    def __init__(self, url: str, streams: Sequence[str]) -> None:
        self._url = url
        self._streams = list(streams)
        self.entries: dict[str, list[Entry]] = {stream: [] for stream in streams}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    @property
    def count(self) -> int:
        return sum(map(len, self.entries.values()))

    def last(self) -> Entry | None:
        """The newest entry of all streams."""
        found = [entries[-1] for entries in self.entries.values() if entries]
        return max(found, key=lambda entry: ordered(entry.id), default=None)

    def stands(self) -> dict[str, list[Entry]]:
        """What the streams hold now."""
        with self._client() as client:
            return {stream: _entries(cast("list[Any]", client.xrange(stream))) for stream in self._streams}

    def added(self) -> dict[str, int]:
        """How many entries were ever written to each stream, as the server counts them; none where it does not."""
        with self._client() as client:
            infos = {s: client.xinfo_stream(s) for s in self._streams if client.exists(s)}
        return {stream: int(info["entries-added"]) for stream, info in infos.items() if "entries-added" in info}

    def _client(self) -> Redis:
        return Redis.from_url(self._url, decode_responses=True, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def _run(self) -> None:
        with self._client() as client:
            while not self._stop.is_set():
                try:
                    self._read(client)
                except (RedisError, OSError):
                    self._stop.wait(_PAUSE_S)

    def _read(self, client: Redis) -> None:
        after: dict[Any, Any] = {s: known[-1].id if known else "0-0" for s, known in self.entries.items()}
        for stream, found in cast("list[Any]", client.xread(after, count=_COUNT, block=_BLOCK_MS)):
            self.entries[stream] += _entries(found)


def _entries(found: list[Any]) -> list[Entry]:
    return [Entry(entry_id, fields) for entry_id, fields in found]


def ordered(entry_id: str) -> tuple[int, int]:
    time, _, number = entry_id.partition("-")
    return int(time), int(number or 0)
