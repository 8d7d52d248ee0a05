"""Made-up changes, and what of them is in an archive's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from connectors.archive.chapter import Chapter
from connectors.archive.layout import FileName, collection_of, hour_of
from connectors.changes import Change

BEGIN_S = 1_790_000_000
"""Some second of 2026, in the middle of an hour."""


class Kept(NamedTuple):
    """One row of the archive, and where it is."""

    partition: int
    seq: int
    n: int
    change: Change


def made(number: int, *, collection: str = "films", second: int = 0, key: str = "a", text: str = "") -> Change:
    """A change that can be told from others by its number."""
    position = f"{BEGIN_S + second:08x}{number:08x}"
    after = json.dumps({"_id": key, "number": number, "text": text})
    return Change(collection, key, "u", position, (BEGIN_S + second) * 1000, None, after, ("number",), {"of": None})


def chapter_of(name: str = "job-0001-0001", *, begin: str = "", partitions: int = 1) -> Chapter:
    return Chapter(name, "job", 1, 1, "sample", partitions, begin, 0, "1", (), {})


def kept(chapter: Path) -> list[Kept]:
    """Everything that readers would find, in the order of emission of each partition."""
    found: list[Kept] = []
    for file in chapter.glob("collection=*/hour=*/*.parquet"):
        name = FileName.parse(file.name)
        if name is None:
            continue
        collection = collection_of(file.parent.parent.name)
        for row in pq.read_table(file, partitioning=None).to_pylist():
            if name.kind != "image":
                assert file.parent.name == f"hour={hour_of(row['position'])}"
                assert name.first <= row["seq"] <= name.last
            found.append(Kept(name.partition, row["seq"], row["n"], _change(collection, row)))
    return sorted(found, key=lambda one: one[:3])


def hidden(chapter: Path) -> list[str]:
    """Files that are not whole, or were not cleaned up."""
    return [file.name for file in chapter.rglob(".*") if file.is_file()]


def _change(collection: str, row: dict[str, Any]) -> Change:
    named = None if row["named"] is None else tuple(row["named"])
    refs = {name.removeprefix("ref."): value for name, value in row.items() if name.startswith("ref.")}
    values = (row[name] for name in ("key", "op", "position", "ts_ms", "before", "after"))
    return Change._make((collection, *values, named, refs, row["types"]))
