"""Events in fragments, built as a server of version 7 sends them, and which servers do."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from connectors.mongo_oversize import splits, whole_events

Document = dict[str, Any]


def token(number: int) -> Document:
    return {"_data": f"{number:04}"}


def fragments(first: int, event: Document, cuts: int) -> list[Document]:
    """The event, cut at top-level fields; each fragment has a resume token of its own."""
    names = list(event)
    groups = [names[i :: cuts + 1] for i in range(cuts + 1)]
    return [
        {"_id": token(first + i), "splitEvent": {"fragment": i + 1, "of": len(groups)}}
        | {name: event[name] for name in group}
        for i, group in enumerate(groups)
    ]


def raw(document: Document) -> RawBSONDocument:
    return RawBSONDocument(bson.encode(document))


@given(st.lists(st.integers(0, 4), max_size=8), st.data())
def test_events_come_whole_and_in_order_wherever_batches_end(cuts: list[int], data: st.DataObject) -> None:
    sent: list[Document] = []
    expected: list[Document] = []
    for n, count in enumerate(cuts):
        event: Document = {"operationType": "update", "n": n, "fullDocument": {"splitEvent": {}, "n": n}, "x": 1}
        parts = fragments(len(sent), event, count) if count else [{"_id": token(len(sent)), **event}]
        sent += parts
        expected.append({"_id": parts[-1]["_id"], **event})
    found: list[Document] = []
    waiting: list[bytes] = []
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        batch, sent = sent[:size], sent[size:]
        whole, waiting = whole_events(waiting, map(raw, batch))
        found += [bson.decode(event.raw) for event in whole]
    assert waiting == []
    assert found == expected


def test_an_event_of_more_than_16_mb_is_put_together() -> None:
    event: Document = {"operationType": "update", "fullDocument": {"t": "x" * 12_000_000}, "x": {"t": "y" * 12_000_000}}
    whole, waiting = whole_events([], map(raw, fragments(0, event, 2)))
    assert (bson.decode(whole[0].raw), waiting) == ({"_id": token(2), **event}, [])


@pytest.mark.parametrize(
    ("version", "can"),
    [("6.0.5", False), ("6.0.9", True), ("6.0.15-rc1", True), ("6.3.2", False), ("7.0.0", True), ("8.1.0", True)],
)
def test_servers_from_6_0_9_and_7_on_cut_large_events(version: str, can: bool) -> None:
    assert splits(version) is can
