"""Reading what a stream says of its rows: the last entry of each. An edge: it talks to Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from redis import Redis

from connectors.once import RowKey, reach
from connectors.records import Record
from connectors.redis_client import translated
from connectors.rereading import Said, said
from connectors.stream_ids import BEGINNING

_READ_COUNT = 1000


def entries_said(client: Redis, stream: str, until: str) -> Iterator[tuple[RowKey, Said]]:
    """What each entry up to `until` says of its row, in the order of the stream. Raises our errors."""
    for entry_id, fields in _records(client, stream, until):
        yield (fields["view"], fields["key"]), said(entry_id, fields["op"], fields.get("after"))


def least_reach(client: Redis, stream: str) -> str:
    """The least `reach` of the records that a stream holds, empty when it holds none. Raises our errors."""
    return min((reach(Record.from_fields(fields)) for _, fields in _records(client, stream, "+")), default="")


def _records(client: Redis, stream: str, until: str) -> Iterator[tuple[str, dict[str, str]]]:
    entry_id = BEGINNING
    while True:
        with translated(f"reading {stream} after {entry_id}"):
            found = cast(
                "list[tuple[str, dict[str, str]]]", client.xrange(stream, f"({entry_id}", until, count=_READ_COUNT)
            )
        for entry_id, fields in found:
            if "versions" in fields:  # else it is not one of ours
                yield entry_id, fields
        if len(found) < _READ_COUNT:
            return


def live_rows(client: Redis, ends: Sequence[tuple[str, str]]) -> list[RowKey]:
    """The rows that the feed says there are, by streams and the ids up to which they are read. Raises our errors."""
    live: dict[RowKey, None] = {}
    for stream, until in ends:
        for row_key, last in entries_said(client, stream, until):
            if last.digest is None:
                live.pop(row_key, None)
            else:
                live[row_key] = None
    return list(live)
