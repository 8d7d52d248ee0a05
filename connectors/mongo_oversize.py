"""Events larger than the 16 MB that MongoDB can send: fragments put together again, and what to ask for when there are
none. Pure.

From 6.0.9 and 7.0 on the server cuts such an event into fragments (`$changeStreamSplitLargeEvent`); an older one can
only say which event it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from connectors.raw_bson import joined, only

SPLIT: dict[str, Any] = {"$changeStreamSplitLargeEvent": {}}
"""The last stage of a stream whose events may come in fragments."""

SLIM: dict[str, Any] = {
    "$project": dict.fromkeys(("operationType", "ns", "documentKey", "clusterTime", "wallTime", "to"), 1)
}
"""The last stage of a stream that only tells which events there are."""

FRAGMENT = b"\3splitEvent\0"
"""Stands in each fragment of an event, and nearly never elsewhere."""


def splits(version: str) -> bool:
    """Whether a server of this version can cut events into fragments."""
    found = [int(number) for number in re.findall(r"\d+", version)[:3]]
    return found >= [7] or (found[:2] == [6, 0] and found >= [6, 0, 9])


def whole_events(fragments: Sequence[bytes], batch: Iterable[Any]) -> tuple[list[RawBSONDocument], list[bytes]]:
    """The events of a batch that follows these fragments, and the fragments of an event whose rest is still to come.

    An event that came in fragments has the resume token of the last one.
    """
    whole: list[RawBSONDocument] = []
    waiting = list(fragments)
    for raw in batch:
        part = _part(raw)
        if part is None:
            whole.append(raw)
            continue
        number, count = part
        waiting.append(bytes(raw.raw))
        if number == count:
            whole.append(RawBSONDocument(joined(waiting, without=("splitEvent",))))
            waiting = []
    return whole, waiting


def _part(raw: RawBSONDocument) -> tuple[int, int] | None:
    """Which fragment of how many this is, None for a whole event."""
    if FRAGMENT not in raw.raw:
        return None
    split: dict[str, Any] = bson.decode(only(bytes(raw.raw), "splitEvent")).get("splitEvent", {})
    return (split["fragment"], split["of"]) if {"fragment", "of"} <= split.keys() else None
