"""What is asked of tables of changes: which rows, in which order. Pure; pyarrow is a library of columns here.

The work is done in Arrow's kernels, which do not hold Python's lock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute

Row = dict[str, Any]
"""One change: the columns of `connectors.archive.schema`, by name."""

_of: Any = pyarrow.compute
"""Its stubs do not know that a kernel takes Python values, too."""


def rows_of(table: pa.Table) -> list[Row]:
    """The rows of a table, by its columns' names: as `Table.to_pylist`, in a third of the time."""
    names = table.column_names
    columns = [table.column(number).to_pylist() for number in range(len(names))]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def text_of(row: Row) -> int:
    """About how much text a row holds."""
    return len(row["after"] or "") + len(row["before"] or "")


def group_sizes(table: pa.Table, *, most_rows: int, most_bytes: int) -> list[int]:
    """How many rows go together, from the first on, so that they have no more rows, and no more bytes of text, than
    that; a row that is longer stays alone.
    """
    if table.nbytes <= most_bytes:
        whole, rest = divmod(table.num_rows, most_rows)
        return [most_rows] * whole + [rest] * bool(rest)
    lengths = [_of.coalesce(_of.binary_length(table.column(name)), 0) for name in ("before", "after")]
    sizes: list[int] = []
    rows = size = 0
    for length in cast("list[int]", _of.add(*lengths).to_pylist()):
        if rows and (rows >= most_rows or size + length > most_bytes):
            sizes.append(rows)
            rows = size = 0
        rows += 1
        size += length
    return [*sizes, rows] if rows else sizes


def between(table: pa.Table, begin: str, upper: str) -> pa.Table:
    """The rows with positions from `begin` to `upper`."""
    position = table.column("position")
    return _filtered(table, _of.and_(_of.greater_equal(position, begin), _of.less_equal(position, upper)))


def after(table: pa.Table, seq: int, n: int) -> pa.Table:
    """The rows of later commits than `seq`, and those of `seq` with later numbers than `n`."""
    seqs = table.column("seq")
    same = _of.and_(_of.equal(seqs, seq), _of.greater(table.column("n"), n))
    return _filtered(table, _of.or_(_of.greater(seqs, seq), same))


def _filtered(table: pa.Table, mask: Any) -> pa.Table:
    """The table itself where nothing is left out: it may be large."""
    return table if _of.all(mask).as_py() is not False else table.filter(mask)


def places(column: pa.ChunkedArray[Any], value: str) -> list[int]:
    """The numbers of the rows that have this value."""
    found: pa.Array[Any] = _of.indices_nonzero(_of.equal(column, value))
    return cast("list[int]", found.to_pylist())


def order_of(table: pa.Table, columns: Sequence[str]) -> pa.UInt64Array:
    """The numbers of the rows in ascending order of these columns."""
    return _of.sort_indices(table.select(list(columns)), [(name, "ascending") for name in columns])


def holding(column: pa.ChunkedArray[Any], text: str) -> list[int]:
    """The numbers of the rows whose value has this text in it.

    It looks through all values as one text, which is several times faster than Arrow's kernel for that.
    """
    found: list[int] = []
    passed = 0
    for chunk in column.chunks:
        found.extend(passed + row for row in _rows_with(chunk, text.encode()))
        passed += len(chunk)
    return found


def _rows_with(chunk: pa.Array[Any], text: bytes) -> Iterator[int]:
    _, offsets, data = chunk.buffers()
    if offsets is None or data is None:
        return
    starts = memoryview(cast("Any", offsets)).cast("i")[chunk.offset : chunk.offset + len(chunk) + 1]
    content = data.to_pybytes()
    at = content.find(text, starts[0], starts[-1])
    while at >= 0:
        row = bisect_right(starts, at) - 1
        end = starts[row + 1]
        if at + len(text) <= end:
            yield row
        at = content.find(text, end if at + len(text) <= end else at + 1, starts[-1])


def stamped_before(table: pa.Table, slack_ms: int) -> list[tuple[int, int]]:
    """`ts_ms` and the time of the position, in ms, of rows of which the former is earlier by more than the slack."""
    seconds = _of.utf8_slice_codeunits(table.column("position"), 0, 8)
    by_ms = {text: int(text, 16) * 1000 for text in cast("list[str]", _of.unique(seconds).to_pylist())}
    times = pa.array(by_ms.values(), pa.int64())
    at_ms = times.take(_of.index_in(seconds, value_set=pa.array(by_ms.keys(), pa.string())))
    early = table.append_column("at_ms", at_ms).filter(_of.less(_of.add(table.column("ts_ms"), slack_ms), at_ms))
    return [(row["ts_ms"], row["at_ms"]) for row in rows_of(early.select(["ts_ms", "at_ms"]))]


def newest(table: pa.Table) -> pa.Table:
    """Of each key the last change, by key; rows of an image (`rank` 0) come before all others of their key."""
    if table.num_rows == 0:
        return table
    narrow = table.select(["key", "rank", "position", "seq", "n"])
    order: Any = order_of(narrow, narrow.column_names)
    keys: Any = pa.concat_arrays(narrow.column("key").take(order).chunks)
    is_last = pa.concat_arrays([_of.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1)), pa.array([True])])
    return table.take(order.filter(is_last))


def split_at(table: pa.Table, key: str | None) -> tuple[pa.Table, pa.Table]:
    """The rows with smaller keys, and the others; None: all are smaller."""
    if key is None:
        return table, table.slice(table.num_rows)
    is_smaller = _of.less(table.column("key"), key)
    return table.filter(is_smaller), table.filter(_of.invert(is_smaller))


def living(table: pa.Table) -> pa.Table:
    """Without deletes."""
    return table.filter(_of.not_equal(table.column("op"), "d"))


def last_emitted(table: pa.Table) -> tuple[int, int] | None:
    """The largest commit, and the largest number in it; None of an empty table."""
    if table.num_rows == 0:
        return None
    seq: int = _of.max(table.column("seq")).as_py()
    n: int = _of.max(table.column("n").filter(_of.equal(table.column("seq"), seq))).as_py()
    return seq, n
