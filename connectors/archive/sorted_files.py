"""Files that are sorted by key: segments, and those of an image, made from other files. An edge: it writes files.

A file is hidden, its name begins with a dot, until it is whole and on the disk; then it gets its name at once.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.archive import tables
from connectors.archive.schema import REF, ROW_GROUP, ROW_GROUP_BYTES, schema_with, writer_options
from connectors.durable import sync_folder

Step = Callable[[str], None]
"""Called before each step with what comes; what it raises ends the work there, as a crash would."""


class SortedFile:
    """Rows are added in the order of their keys, in tables of any size; row groups are of `ROW_GROUP` rows, or of
    about `ROW_GROUP_BYTES` of text: whoever folds several files holds a row group or two of each.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, *, step: Step, about: Mapping[bytes, bytes] | None = None
    ) -> None:
        self.path = path
        self.text_bytes = 0
        self.rows = 0
        self._step = step
        self._hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        self._waiting = schema.empty_table()
        step(f"make {path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = schema.with_metadata(dict(about or {}))
        try:
            self._writer = pq.ParquetWriter(self._hidden, columns, **writer_options(schema))
        except BaseException:  # it is tried again and again, and would leave one each time
            self._hidden.unlink(missing_ok=True)
            raise

    def add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        self.text_bytes += table.nbytes
        self._waiting = pa.concat_tables([self._waiting, table])
        *whole, last = self._groups() or [0]
        self._write([*whole, last] if last >= ROW_GROUP else whole)

    def publish(self) -> None:
        """Give the file its name, durably."""
        self._write(self._groups())
        self._writer.close()
        self._step(f"sync {self.path.name}")
        handle = os.open(self._hidden, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self._step(f"name {self.path.name}")
        self._hidden.replace(self.path)
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Leave nothing hidden behind."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        with suppress(OSError):
            self._hidden.unlink()

    def _groups(self) -> list[int]:
        return tables.group_sizes(self._waiting, most_rows=ROW_GROUP, most_bytes=ROW_GROUP_BYTES)

    def _write(self, groups: Sequence[int]) -> None:
        for rows in groups:
            self._step(f"write {self.path.name}")
            self._writer.write_table(self._waiting.slice(0, rows), row_group_size=rows)
            self._waiting = self._waiting.slice(rows)
        if groups:
            self._waiting = self._waiting.combine_chunks()


def common_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns that all have: where one lacks a column of references, its null would say that there was no value."""
    first, *others = schemas
    every = set(first.names).intersection(*(schema.names for schema in others))
    return schema_with([name.removeprefix(REF) for name in first.names if name.startswith(REF) and name in every])
