"""The feed's side of a comparison: the last record of each key. An edge: it talks to Redis."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, cast

from redis import Redis

from connectors.errors import BadRecord
from connectors.records import Record, shard_of
from connectors.redis_client import translated
from connectors.settings import Keys
from connectors.stream_ids import BEGINNING, parts
from flows.verify.database import Tell
from flows.verify.judging import digest_of_record, moment_of
from flows.verify.ledger import Ledger, Said

_FEWEST, _MOST = 8, 512
_SMALL_CHARS, _LARGE_CHARS = 500_000, 4_000_000

_Entries = list[tuple[str, dict[str, str]]]


class Feed:
    """Reads the streams from where it was left, so that each look takes in what came since the last.

    Memory: one reply. How many entries it holds follows the size of those before.
    """

    def __init__(self, client: Redis, keys: Keys, views: Mapping[str, int], *, maxlen: int) -> None:
        """`views` are the numbers of the views that are compared."""
        self._client = client
        self._streams = keys.changes
        self._letters = keys.deadletter
        self._views = views
        self._maxlen = maxlen
        self._positions = dict.fromkeys(self._streams, BEGINNING)
        self._trimmed: tuple[bool, ...] = ()
        self._names = {number: name for name, number in views.items()}
        self.entries = 0
        self.strays = 0

    def ends(self) -> Mapping[str, str]:
        """The last id of each stream now."""
        return {stream: str(self._info(stream).get("last-generated-id", BEGINNING)) for stream in self._streams}

    def length(self) -> int:
        """How many entries the streams have."""
        return sum(int(self._info(stream).get("length", 0)) for stream in self._streams)

    def read(self, ledger: Ledger, ends: Mapping[str, str], *, position: str, known: str, tell: Tell) -> None:
        """Put what came since the last look, up to `ends`, into the ledger.

        What knows of more than the database did at `position` is `later`; but nothing can truly know of more than
        `known`, the present.
        """
        total = self.length()
        for shard, stream in enumerate(self._streams):
            for entries in self._read_on(stream, ends[stream]):
                ledger.put_feed(self._said(shard, entries, position, known))
                self.entries += len(entries)
                tell("reading the feed", self.entries, max(total, self.entries))
        infos = [self._info(stream) for stream in self._streams]
        self._trimmed = tuple(is_trimmed(info, maxlen=self._maxlen) for info in infos)

    def has_trimmed(self, view: int, key: str) -> bool:
        """Whether the stream of a key has lost its oldest entries."""
        return self._trimmed[shard_of(self._names[view], key, len(self._streams))]

    def record(self, view: int, key: str, entry: str) -> Record | None:
        """The record of an entry, None when it is no longer there."""
        stream = self._streams[shard_of(self._names[view], key, len(self._streams))]
        with translated(f"reading {stream} at {entry}"):
            found = cast("_Entries", self._client.xrange(stream, entry, entry))
        return Record.from_fields(found[0][1]) if found else None

    def letters(self, wanted: Container[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The id of the newest dead letter of each of these pairs of collection (or view) and key, if there is one."""
        found: dict[tuple[str, str], str] = {}
        after = BEGINNING
        while True:
            with translated(f"reading {self._letters}"):
                entries = cast("_Entries", self._client.xrange(self._letters, f"({after}", count=_MOST))
            for after, fields in entries:
                of = fields.get("collection", ""), fields.get("key", "")
                if of in wanted:
                    found[of] = after
            if len(entries) < _MOST:
                return found

    def _read_on(self, stream: str, end: str) -> Iterator[_Entries]:
        count = _FEWEST
        while parts(self._positions[stream]) < parts(end):
            with translated(f"reading {stream} after {self._positions[stream]}"):
                found = cast("_Entries", self._client.xrange(stream, f"({self._positions[stream]}", end, count=count))
            if not found:
                return
            yield found
            self._positions[stream] = found[-1][0]
            count = next_count(count, sum(len(value) for _, fields in found for value in fields.values()))

    def _said(self, shard: int, entries: _Entries, position: str, known: str) -> Iterator[Said]:
        for entry_id, fields in entries:
            view = self._views.get(fields.get("view", ""))
            try:
                record = Record.from_fields(fields)
                digest = digest_of_record(record)
            except (BadRecord, ValueError):
                self.strays += 1
                continue
            if shard_of(record.view, record.key, len(self._streams)) != shard:
                self.strays += 1
            elif view is not None:
                yield Said(view, record.key, digest, entry_id, position < moment_of(record) <= known)

    def _info(self, stream: str) -> Mapping[str, Any]:
        """What Redis says of a stream, nothing when there is none."""
        with translated(f"reading {stream}"):
            return cast("Mapping[str, Any]", self._client.xinfo_stream(stream)) if self._client.exists(stream) else {}


def is_trimmed(info: Mapping[str, Any], *, maxlen: int) -> bool:
    """Whether a stream has lost its oldest entries to trimming, from what XINFO STREAM says.

    Since Redis 7 it counts what was ever added, and names the last entry that was deleted one by one. Where entries
    were, or the server is older, only a stream at its bound is taken for a trimmed one.
    """
    if not info:
        return False
    length = int(info["length"])
    added = info.get("entries-added")
    if added is None or info.get("max-deleted-entry-id", BEGINNING) != BEGINNING:
        return length >= maxlen and (added is None or int(added) > length)
    return int(added) > length


def next_count(count: int, chars: int) -> int:
    """How many entries to ask for after a reply of so many characters."""
    if chars > _LARGE_CHARS:
        return max(_FEWEST, count // 4)
    return min(_MOST, count * 2) if chars < _SMALL_CHARS else count
