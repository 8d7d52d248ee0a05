"""Whole batches at once: what the server sent as values, and ordinary events and documents as changes. Pure.

What is here does for a batch what `mongo_events` does for one event, with less work for each. It takes the ordinary for
granted and says None where a batch holds anything else; then each event is to be looked at by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeGuard

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from connectors import rows
from connectors.changes import Change
from connectors.mongo_events import ROW_OPS, Event, event_ms, event_position, named_in, position_ms
from connectors.mongo_oversize import FRAGMENT
from connectors.raw_bson import only
from connectors.shaping import Shaper

Document = dict[str, Any]

Received = Event | RawBSONDocument
"""An event (or document) as it is decoded or, where that does not work for a whole batch, raw."""

UNDECODABLE = (BSONError, ValueError, TypeError, OverflowError, RecursionError)
"""What the codec raises for bytes that are not those of BSON, or a text that is not UTF-8."""

# A NamedTuple's own constructor takes twice as long.
_new: Callable[[type[Change], tuple[Any, ...]], Change] = tuple.__new__  # pyright: ignore[reportUnknownVariableType]


class Batch(NamedTuple):
    """A server's answer to `getMore`: events (or documents) decoded, or raw where not all can be decoded or some may be
    fragments. `cursor_id` 0: there will be no more. `token` is where a change stream goes on after the batch; `raw` is
    the cursor as it was sent, which holds the events under this name.
    """

    cursor_id: int
    events: Sequence[Received]
    token: RawBSONDocument | None
    is_raw: bool
    raw: bytes
    name: str

    @classmethod
    def of(cls, cursor: Any, codec: CodecOptions[Document], *, name: str = "nextBatch") -> Batch:
        """The batch of the raw `cursor` in a reply; `name` is what its events are called there."""
        raw = bytes(cursor.raw)
        found = None if FRAGMENT in raw else _decoded(raw, codec)
        if found is None:
            return cls(cursor["id"], cursor[name], cursor.get("postBatchResumeToken"), True, raw, name)
        token = RawBSONDocument(only(raw, "postBatchResumeToken")).get("postBatchResumeToken")
        return cls(found["id"], found[name], token, False, raw, name)

    def raw_events(self) -> Sequence[RawBSONDocument]:
        """Each as it was sent."""
        return RawBSONDocument(self.raw)[self.name]


def _decoded(raw: bytes, codec: CodecOptions[Document]) -> Document | None:
    try:
        return bson.decode(raw, codec)
    except UNDECODABLE:
        return None


def changes_of(events: Sequence[Received], shapers: Mapping[str, Shaper]) -> list[Change] | None:
    """The changes of decoded events of rows, each with its row unless that was deleted; None when not all are such, or
    one cannot be made a change.
    """
    changes: list[Change] = []
    wall: datetime | None = None
    ts_ms = 0
    try:
        for event in events:
            op = ROW_OPS[event["operationType"]]
            row: Document | None = None if op == "d" else event["fullDocument"]
            if not is_decoded(event) or (row is None and op != "d"):
                return None
            before: Document | None = event.get("fullDocumentBeforeChange")
            collection: str = event["ns"]["coll"]
            shaper = shapers[collection]
            if wall is None or wall != event.get("wallTime"):  # many are of the same millisecond
                wall, ts_ms = event.get("wallTime"), event_ms(event)
            after, types = shaper.text_and_types(row)
            changes.append(
                _new(
                    Change,
                    (
                        collection,
                        _key(event["documentKey"]["_id"]),
                        op,
                        event_position(event),
                        ts_ms,
                        None if before is None else shaper.text(before),
                        after,
                        named_in(event, row, shaper),
                        shaper.refs(row),
                        types,
                    ),
                )
            )
    except Exception:  # whichever event it is and whatever is wrong: that is found out one by one
        return None
    return changes


def rows_of(documents: Sequence[Received], *, collection: str, shaper: Shaper, position: str) -> list[Change] | None:
    """The `r` changes of decoded documents that a snapshot read; None when not all are decoded, or one cannot be a
    change.
    """
    ts_ms = position_ms(position)
    changes: list[Change] = []
    try:
        for row in documents:
            if not is_decoded(row):
                return None
            after, types = shaper.text_and_types(row)
            of_row = (collection, _key(row["_id"]), "r", position, ts_ms, None, after, None, shaper.refs(row), types)
            changes.append(_new(Change, of_row))
    except Exception:  # as above
        return None
    return changes


def is_decoded(received: Received) -> TypeGuard[Document]:
    """Not raw, nor a document that the codec gives as a value of its own."""
    return type(received) is dict


def _key(value: Any) -> str:
    return value.binary.hex() if type(value) is ObjectId else rows.key_text(value)
