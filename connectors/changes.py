"""One database change, the same from every source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Op = Literal["c", "u", "d", "r"]

RETRIED = ".r"
"""How the position of a row that was read again for a dead letter ends: it sorts after every other at its time."""


class Shape(NamedTuple):
    """What the job needs of one collection's rows; all else is dropped where the row is decoded.

    `mask` and `fields` are dotted paths; `fields` is None for "all that is not masked", and the mask wins.
    `refs` are the paths whose values other rows are joined by: `Change.refs` holds them in comparable form.
    `shown` are the paths that stand in other rows or are looked up by, None for all: an update of one must carry the
    row as it was right after it, and the same at every reading, for answers are counted by it.
    `typed`: changes tell the types of their values, too.
    """

    mask: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    refs: tuple[str, ...] = ()
    shown: tuple[str, ...] | None = ()
    typed: bool = False


class Change(NamedTuple):
    """One change of one row.

    `key` is the row's key as `rows.key_text` writes it. `position` compares as text in commit order. `ts_ms` is when
    the source committed it, in Unix milliseconds. `before` and `after` are the row as JSON text, shaped (masked), None
    when unknown or none. `named` lists, on `u`, the leaf paths that the source says it changed, None when it does not
    say. `refs` maps each path of the shape's `refs` to the value in `after`, as `rows.ref_text` writes it; None when
    missing. `types` is what `connectors.archive.typed` says of `after`, where the shape asks for it.

    A `u` without `after` is a change whose row was gone when it was looked up; a delete follows it.
    """

    collection: str
    key: str
    op: Op
    position: str
    ts_ms: int
    before: str | None
    after: str | None
    named: tuple[str, ...] | None
    refs: Mapping[str, str | None]
    types: str | None = None
