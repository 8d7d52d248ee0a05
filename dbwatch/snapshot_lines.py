"""Snapshots as lines for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.amounts import size_text
from connectors.times import to_the_second
from flows.snapshots import Damaged, Snapshot, to_json

_JOB_LETTERS = 8


def snapshot_table(found: Sequence[Snapshot | Damaged]) -> Iterator[str]:
    """Name, when it was saved, up to when it goes, size, version and job; for a damaged one what is wrong."""
    rows = [("NAME", "SAVED", "GOES UP TO", "SIZE", "VERSION", "JOB"), *map(_cells, found)]
    widths = [max(len(row[i]) for row in rows if len(row) > i + 1) for i in range(len(rows[0]) - 1)]
    for row in rows:
        yield "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)), row[-1]])


def snapshot_lines(snapshot: Snapshot) -> Iterator[str]:
    """All that is known of one, a line each."""
    yield f"snapshot    {snapshot.name}"
    yield f"folder      {snapshot.folder}"
    yield f"saved       {to_the_second(snapshot.saved_ms)}"
    yield f"goes up to  {to_the_second(snapshot.position_ms)}, position {snapshot.position}"
    yield f"size        {size_text(snapshot.size)}, {_partitions(len(snapshot.files), 'recovery partition')}"
    yield f"job         {snapshot.job_id}, generation {snapshot.generation}, flow {snapshot.flow}"
    yield f"version     {_version(snapshot)}, format {snapshot.state_format}"
    yield f"epoch       {snapshot.epoch}"
    for name, value in sorted(snapshot.made_for.items()):
        yield f"made for    {name} = {value}"
    for name, reached in sorted(snapshot.partitions.items()):
        archived = f", archived up to commit {reached.seq} of {reached.chapter}" if reached.chapter else ""
        doing = " (reading the collections)" if reached.phase == "snapshot" else ""
        yield f"source      {name}: position {reached.position}{doing}{archived}"


def snapshot_json(found: Snapshot | Damaged) -> str:
    """One JSON object; `damaged` says what is wrong with one that cannot be used, else it is null."""
    values: Mapping[str, Any] = to_json(found) if isinstance(found, Snapshot) else {"name": found.name}
    return json.dumps({**values, "damaged": found.problem if isinstance(found, Damaged) else None})


def _cells(found: Snapshot | Damaged) -> tuple[str, ...]:
    if isinstance(found, Damaged):
        return found.name, f"damaged: {found.problem}"
    job = f"{found.job_id[:_JOB_LETTERS]} generation {found.generation}"
    return (
        found.name,
        to_the_second(found.saved_ms),
        to_the_second(found.position_ms),
        size_text(found.size),
        _version(found),
        job,
    )


def _version(snapshot: Snapshot) -> str:
    return snapshot.version or "(unknown)"


def _partitions(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
