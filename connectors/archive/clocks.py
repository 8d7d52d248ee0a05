"""Times that occurred twice, because the source's clock was set back. An edge: it reads files.

A position's seconds never go back, but the clock by which a change is stamped may. Who made a file's rows sorted by key
wrote beside them what is found here (`SET_BACK` in the file's own metadata), for there the order no longer shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson
import pyarrow as pa

from connectors.archive import tables
from connectors.archive.layout import seconds_of
from connectors.archive.listing import StoredFile, bounds, opened

Times = tuple[int, int]
"""From and to, in Unix milliseconds."""

SET_BACK = b"dbwatch.set_back"
SLACK_MS = 2_000
"""How much earlier than its position a change may be stamped: a position has seconds only, and clocks are adjusted."""

_COLUMNS = ["position", "ts_ms"]


def set_back_in(file: StoredFile) -> list[Times]:
    """The times between a change's own and that of its position, where they differ by more than `SLACK_MS`."""
    if file.is_image:
        return []
    with opened(file) as parquet:
        known = (parquet.schema_arrow.metadata or {}).get(SET_BACK)
        if known is not None:
            return [(begin, end) for begin, end in orjson.loads(known)]
        found: list[Times] = []
        for group in range(parquet.num_row_groups):
            times, positions = bounds(parquet.metadata, group, "ts_ms"), bounds(parquet.metadata, group, "position")
            if times and positions and times[0] + SLACK_MS >= seconds_of(positions[1]) * 1000:
                continue
            found.extend(times_twice(parquet.read_row_group(group, columns=_COLUMNS, use_threads=False)))
        return union(found)


def times_twice(table: pa.Table) -> list[Times]:
    """The same of a table's rows."""
    return union(tables.stamped_before(table, SLACK_MS))


def union(found: Iterable[Times]) -> list[Times]:
    """The same times, without overlaps, in order."""
    merged: list[Times] = []
    for begin, end in sorted(found):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def told(found: Sequence[Times]) -> dict[bytes, bytes]:
    """As it is written beside a file's rows."""
    return {SET_BACK: orjson.dumps(found)}
