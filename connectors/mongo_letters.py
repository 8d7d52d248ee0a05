"""Dead letters of MongoDB's events and documents: only what tells which one it is, for nothing else can be masked for
sure. Pure; `bson` is only a codec.

Of a document's key no more than `_id` is told, which cannot be masked: a sharded collection's `documentKey` may hold
other fields.
"""

from __future__ import annotations

import base64
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from connectors import rows
from connectors.dead_letters import DeadLetter, error_text, event_text
from connectors.errors import BadRecord
from connectors.mongo_events import ROW_OPS, Event, event_ms, event_position, position_ms
from connectors.raw_bson import only

_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_HEADER = ("_id", "operationType", "ns", "clusterTime", "wallTime")
_UNTOLD = object()


def event_header(raw: bytes) -> Event:
    """What tells which event this is; without `documentKey` when that cannot be decoded. Raises `BadRecord` when not
    even this much can.
    """
    try:
        header: dict[str, Any] = bson.decode(only(raw, *_HEADER), _CODEC)
    except BSONError as exc:
        raise BadRecord(f"an event of {len(raw)} bytes cannot be decoded") from exc
    key = only(raw, "documentKey")
    try:
        return header | bson.decode(key, _CODEC)
    except BSONError:
        return header | {"rawKey": key}


def event_letter(event: Event, error: Exception) -> DeadLetter:
    """The letter of an event, or of its header, that could not be made a change."""
    key: Any = event["documentKey"]["_id"] if "documentKey" in event else _UNTOLD
    return DeadLetter(
        stage="read",
        collection=event["ns"]["coll"],
        key="" if key is _UNTOLD else rows.key_text(key),
        op=ROW_OPS[event["operationType"]],
        position=event_position(event),
        ts_ms=event_ms(event),
        error=error_text(error),
        event=_event_text(event["operationType"], event["ns"], key, event.get("rawKey", b"")),
    )


def document_letter(raw: bytes, error: Exception, *, database: str, collection: str, position: str) -> DeadLetter:
    """The letter of a document that a snapshot at `position` read and that could not be made a change."""
    raw_key = only(raw, "_id")
    key = _decoded_id(raw_key)
    return DeadLetter(
        stage="read",
        collection=collection,
        key="" if key is _UNTOLD else rows.key_text(key),
        op="r",
        position=position,
        ts_ms=position_ms(position),
        error=error_text(error),
        event=_event_text("read", {"db": database, "coll": collection}, key, raw_key),
    )


def document_key(raw: bytes) -> str | None:
    """The key of a document, None when it cannot be decoded."""
    key = _decoded_id(only(raw, "_id"))
    return None if key is _UNTOLD else rows.key_text(key)


def _decoded_id(raw_key: bytes) -> Any:
    try:
        return bson.decode(raw_key, _CODEC)["_id"]
    except BSONError:
        return _UNTOLD


def _event_text(operation: str, namespace: Any, key: Any, raw_key: bytes) -> str:
    """`documentKey` holds `_id` as in a row, or the base64 of the bytes that cannot be decoded."""
    shown = {"$bson": base64.b64encode(raw_key).decode()} if key is _UNTOLD else _plain(key)
    return event_text({"operationType": operation, "ns": namespace, "documentKey": {"_id": shown}})


def _plain(value: Any) -> Any:
    return rows.loads(rows.dumps(value))
