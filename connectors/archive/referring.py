"""Which rows of a file had a value at a path. An edge: it reads files."""

from __future__ import annotations

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from connectors import rows
from connectors.archive import tables
from connectors.archive.listing import StoredFile, groups_with, opened
from connectors.archive.schema import REF
from connectors.archive.tables import rows_of
from connectors.archive.typed import restored
from connectors.changes import Shape
from connectors.shaping import Shaper

_OBJECT_ID_DIGITS = 24


def keys_in(file: StoredFile, path: str, ref: str, *, begin: str, upper: str) -> set[str]:
    """The keys of rows that count, up to `upper`, and have this value, in comparable form, at the path.

    A file whose rows were not joined by that path when they were archived has no column for it; then the value is taken
    from the rows themselves, which takes longer.
    """
    with opened(file) as parquet:
        if REF + path in parquet.schema_arrow.names:
            found = [_by_column(parquet, group, REF + path, ref) for group in groups_with(parquet, REF + path, ref)]
        else:
            found = [_by_rows(parquet, group, path, ref) for group in range(parquet.num_row_groups)]
        return {
            row["key"]
            for table in found
            for row in rows_of(table)
            if file.is_image or begin <= row["position"] <= upper
        }


def _by_column(parquet: pq.ParquetFile, group: int, column: str, ref: str) -> pa.Table:
    at = tables.places(parquet.read_row_group(group, columns=[column], use_threads=False).column(0), ref)
    if not at:
        return parquet.schema_arrow.empty_table()
    return parquet.read_row_group(group, columns=["key", "position"], use_threads=False).take(at)


def _by_rows(parquet: pq.ParquetFile, group: int, path: str, ref: str) -> pa.Table:
    table = _candidates(parquet, group, _text_in_json(ref))
    shaper = Shaper(Shape(refs=(path,)))
    at = [
        number
        for number, row in enumerate(rows_of(table))
        if row["after"] is not None and shaper.refs(restored(rows.loads(row["after"]), row["types"]))[path] == ref
    ]
    return table.take(pa.array(at, pa.int64()))


def _candidates(parquet: pq.ParquetFile, group: int, text: str | None) -> pa.Table:
    """The rows with a text in them; all when it is None."""
    after = parquet.read_row_group(group, columns=["after"], use_threads=False)
    at = range(after.num_rows) if text is None else tables.holding(after.column(0), text)
    if not at:
        return parquet.schema_arrow.empty_table()
    others = parquet.read_row_group(group, columns=["key", "position", "types"], use_threads=False).take(list(at))
    return others.append_column("after", after.take(list(at)).column(0))


def _text_in_json(ref: str) -> str | None:
    """What must be in the JSON text of a row that has the value; None when that cannot be told."""
    if len(ref) == _OBJECT_ID_DIGITS and ref[0] not in '"{[':
        return f'"{ref}"'
    return orjson.dumps(orjson.loads(ref)).decode() if ref[0] == '"' else None
