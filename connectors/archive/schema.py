"""The columns of the archive's files, and changes to and from them. Pure; pyarrow is a codec here.

One row is one change. `before` and `after` are whole rows as JSON text, without what is masked; `types` what
`connectors.archive.typed` says of `after`. `seq` and `n` give the order in which a partition emitted its changes: the
number of the commit, and the change's number within it. A column `ref.PATH` holds, for each path that rows are joined
by, the value in `after` in comparable form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from connectors import rows
from connectors.archive.typed import restored
from connectors.changes import Change
from connectors.shaping import Shaper

REF = "ref."

COLUMNS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("op", pa.string(), nullable=False),
        pa.field("position", pa.string(), nullable=False),
        pa.field("ts_ms", pa.int64(), nullable=False),
        pa.field("before", pa.string()),
        pa.field("after", pa.string()),
        pa.field("named", pa.list_(pa.string())),
        pa.field("types", pa.string()),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("n", pa.int32(), nullable=False),
    ]
)
"""Those that every file has."""

ROW_GROUP = 10_000
"""Rows that are compressed, and read, together."""
ROW_GROUP_BYTES = 8 << 20
"""Long rows are fewer: of a file sorted by key no more text goes together."""


_REPEATING = ("op", "types", "named.list.element", "seq")
"""Columns of few different values. A dictionary of the others would be made for nothing."""

_SOUGHT = ("key", "position", "ts_ms", "seq", "n")


def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """How pyarrow shall write a file of these columns, whoever makes it: what is sought has statistics, and no byte
    changes unnoticed.
    """
    return {
        "compression": "zstd",
        "use_dictionary": list(_REPEATING),
        "write_statistics": [*_SOUGHT, *(name for name in schema.names if name.startswith(REF))],
        "write_page_checksum": True,
    }


def batch_of(changes: Sequence[Change], *, seq: int, numbers: Sequence[int]) -> pa.RecordBatch:
    """Changes of one collection, each with its number within the commit."""
    collections, keys, ops, positions, times, befores, afters, named, refs, types = zip(*changes, strict=True)
    assert len(set(collections)) == 1, "a batch is of one collection"
    paths = tuple(refs[0])
    columns = [
        pa.array(keys, pa.string()),
        pa.array(ops, pa.string()),
        pa.array(positions, pa.string()),
        pa.array(times, pa.int64()),
        pa.array(befores, pa.string()),
        pa.array(afters, pa.string()),
        pa.array(named, pa.list_(pa.string())),
        pa.array(types, pa.string()),
        pa.repeat(pa.scalar(seq, pa.int64()), len(changes)),
        pa.array(numbers, pa.int32()),
        *(pa.array([found[path] for found in refs], pa.string()) for path in paths),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema_with(paths))


def schema_with(paths: Sequence[str]) -> pa.Schema:
    """The columns of a collection whose rows are joined by these paths."""
    schema = COLUMNS
    for path in paths:
        schema = schema.append(pa.field(REF + path, pa.string()))
    return schema


def change_of(row: dict[str, Any], *, collection: str, shaper: Shaper) -> Change:
    """The change of one row of a file, shaped anew: by another shape perhaps than it was archived by, of whose fields
    and references it holds all that was not masked then.
    """
    before: str | None = row["before"]
    after: str | None = row["after"]
    value: Any = None if after is None else rows.loads(after)
    named: list[str] | None = row["named"]
    return Change(
        collection=collection,
        key=row["key"],
        op=row["op"],
        position=row["position"],
        ts_ms=row["ts_ms"],
        before=before if before is None or shaper.whole else shaper.text(rows.loads(before)),
        after=after if value is None or shaper.whole else shaper.text(value),
        named=None if named is None else tuple(path for path in named if shaper.keeps(path)),
        refs=shaper.refs(restored(value, row["types"])),
        types=row["types"] if shaper.shape.typed else None,
    )
