"""The rows of update events that the server had no post-image of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from connectors import rows
from connectors.errors import BadRecord
from connectors.mongo_client import RAW, SNAPSHOT_GONE, Client, decoded
from connectors.mongo_events import Event, event_position, is_shown
from connectors.mongo_letters import document_key
from connectors.mongo_state import Plan

Place = str
"""An event's position, which is its own."""

Found = dict[Place, dict[str, Any] | BadRecord]
"""The rows by place; what is gone is left out, and of what cannot be decoded it says why."""

_MAX_BYTES = 16_000_000


class TooBulky(Exception):
    """The rows of these events take more memory than one batch should; ask for fewer at once."""


def look_up(client: Client, plan: Plan, events: Sequence[Event]) -> Found:
    """The rows of these events. Raises `TooBulky`, but not for a single one.

    A row that others are joined with is read as it was at the event's own time, so that every reading of the event
    gives the same. All others are read at once, as they are now or later than the events at least; so are the former
    once the server has forgotten that time (`minSnapshotHistoryWindowInSeconds`).
    """
    found: Found = {}
    room = _Room(len(events) > 1)
    now: list[Event] = []
    for event in events:
        if not is_shown(event, plan.shapes[event["ns"]["coll"]]):
            now.append(event)
            continue
        then = {"level": "snapshot", "atClusterTime": event["clusterTime"]}
        try:
            found |= _find(client, plan, [event], then, room)
        except OperationFailure as exc:
            if exc.code not in SNAPSHOT_GONE:
                raise
            now.append(event)
    if now:
        concern = {"level": "majority", "afterClusterTime": max(e["clusterTime"] for e in now)}
        found |= _find(client, plan, now, concern, room)
    return found


class _Room:
    """How many bytes may still be read."""

    def __init__(self, bounded: bool) -> None:
        self._bounded = bounded
        self._left = _MAX_BYTES

    def take(self, size: int) -> None:
        self._left -= size
        if self._bounded and self._left < 0:
            raise TooBulky


def _find(client: Client, plan: Plan, events: Sequence[Event], concern: Mapping[str, Any], room: _Room) -> Found:
    """The rows of these events as the read concern shows them."""
    ids: dict[str, dict[str, Any]] = {}
    places: dict[tuple[str, str], list[Place]] = {}
    for event in events:
        collection, key = event["ns"]["coll"], rows.key_text(event["documentKey"]["_id"])
        ids.setdefault(collection, {})[key] = event["documentKey"]["_id"]
        places.setdefault((collection, key), []).append(event_position(event))
    found: Found = {}
    for collection, wanted in ids.items():
        find = {"find": collection, "filter": {"_id": {"$in": list(wanted.values())}}, "readConcern": concern}
        with client[plan.database].cursor_command(find, codec_options=RAW) as cursor:
            for raw in cursor:
                room.take(len(raw.raw))
                key, row = _row(raw)
                found |= dict.fromkeys(places[collection, key], row)
    return found


def _row(raw: RawBSONDocument) -> tuple[str, dict[str, Any] | BadRecord]:
    try:
        row = decoded(raw)
    except BadRecord as exc:
        return document_key(bytes(raw.raw)) or "", exc
    return rows.key_text(row["_id"]), row
