"""What is done to each row of a collection, decided once for all of them. Pure.

`Shaper` gives what `rows` gives, `shaped` and `dumps` and `ref_text`, without deciding anew for every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from connectors import rows
from connectors.archive.typed import types_of
from connectors.changes import Shape


class Shaper:
    """A shape, prepared. `whole` tells that rows stay as they are, without mask and with all fields."""

    __slots__ = ("_fields", "_mask", "_paths", "_typed", "shape", "whole")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.whole = not shape.mask and shape.fields is None
        self._mask = shape.mask
        self._fields = shape.fields
        self._typed = shape.typed
        self._paths = tuple((path, "." in path) for path in shape.refs)

    def text(self, row: rows.Row) -> str:
        """The row as JSON text, shaped. Raises `BadRecord` for what JSON cannot hold."""
        return rows.dumps(row if self.whole else rows.shaped(row, self._mask, self._fields))

    def text_and_types(self, row: rows.Row | None) -> tuple[str | None, str | None]:
        """The same text, and what it does not tell of the values' types, if that is asked for; None without a row."""
        if row is None:
            return None, None
        kept = row if self.whole else rows.shaped(row, self._mask, self._fields)
        return rows.dumps(kept), types_of(kept) if self._typed else None

    def refs(self, row: rows.Row | None) -> dict[str, str | None]:
        """The values that other rows are joined by, in comparable form; all None without a row."""
        if row is None:
            return dict.fromkeys(self.shape.refs)
        found: dict[str, str | None] = {}
        get: Callable[[str], Any] | None = row.get if _is_plain(row) else None
        for path, is_deep in self._paths:
            value: Any = rows.at(row, path) if is_deep or get is None else get(path)
            found[path] = rows.ref_text(value)
        return found

    def keeps(self, path: str) -> bool:
        """Whether a leaf, or a part of what is in it, is left by the shape."""
        if self.whole:
            return True
        if rows.covers(self._mask, path):
            return False
        fields = self._fields
        return fields is None or rows.covers(fields, path) or any(f.startswith(path + ".") for f in fields)


def _is_plain(row: rows.Row) -> bool:
    """Not a sub-document that the codec gives as a value of its own."""
    return type(row) is dict


@lru_cache(maxsize=1024)
def shaper(shape: Shape) -> Shaper:
    """The shape, prepared; the same for the same shape."""
    return Shaper(shape)


def shapers(shapes: Mapping[str, Shape]) -> dict[str, Shaper]:
    """The shapes of several collections, prepared."""
    return {name: shaper(shape) for name, shape in shapes.items()}
