"""Change-stream events as values: what to ask the server for, positions, and `Change`s. Pure; `bson` is only a codec.

Events are those of MongoDB's change streams: https://www.mongodb.com/docs/manual/reference/change-events/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import bson
from bson.timestamp import Timestamp

from connectors import rows
from connectors.changes import Change, Op, Shape
from connectors.errors import BadRecord
from connectors.shaping import Shaper, shaper

Document = Mapping[str, Any]
Event = Mapping[str, Any]

ROW_OPS: Mapping[str, Op] = {"insert": "c", "update": "u", "replace": "u", "delete": "d"}

_REMOVALS = ["drop", "rename", "dropDatabase", "invalidate"]

_EPOCH = datetime(1970, 1, 1)
_MS = timedelta(milliseconds=1)
_FIRST_EVENT = ("2B022C010029", "2B042C010029")  # follow then in nearly all: version 1 or 2, an event, index 0
_TIME_END = 18  # a resume token begins with 82 (a timestamp follows) and the 16 hex digits of the cluster time


# --- what to ask for -----------------------------------------------------------------------------------------------


def pipeline(
    *, database: str, collections: Iterable[str], partition: int, partitions: int, former: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The stages after `$changeStream`: one partition's share of the rows, and whatever removes a watched collection.

    Every partition sees a drop, rename or invalidation: such an event has no document key to share it out by. What the
    partitions of another job have emitted, each up to its place in `former`, is left out.
    """
    watched = {"$in": sorted(collections)}
    # Kept flat: as one alternative for each kind of event it took the server a fifth more for each.
    stages: list[dict[str, Any]] = [
        {
            "$match": {
                "operationType": {"$in": [*ROW_OPS, *_REMOVALS]},
                "$or": [
                    {"ns.coll": watched},
                    {"operationType": "rename", "to.db": database, "to.coll": watched},
                    {"operationType": {"$in": ["dropDatabase", "invalidate"]}},
                ],
            }
        }
    ]
    if partitions > 1:
        ours = share("documentKey._id", partition=partition, partitions=partitions)
        stages.append({"$match": {"$or": [ours, {"operationType": {"$in": _REMOVALS}}]}})
    if former:
        later = [
            share("documentKey._id", partition=number, partitions=len(former)) | {"_id._data": {"$gt": place}}
            for number, place in enumerate(former)
        ]
        stages.append({"$match": {"$or": [*later, {"operationType": {"$in": _REMOVALS}}]}})
    return stages


def share(path: str, *, partition: int, partitions: int) -> dict[str, Any]:
    """The condition that holds for one partition's rows: their key's hash modulo `partitions`; it may be negative."""
    remainder = {"$mod": [{"$toHashedIndexKey": f"${path}"}, partitions]}
    return {"$expr": {"$in": [remainder, [partition, partition - partitions]]}}


# --- positions -----------------------------------------------------------------------------------------------------


def position_text(time: Timestamp) -> str:
    """A cluster time as 16 hex digits: seconds, then the increment within the second. Text order is time order."""
    return f"{time.time:08x}{time.inc:08x}"


def position_time(position: str) -> Timestamp:
    """The cluster time of a position; what orders the operations of one transaction is left out."""
    return Timestamp(int(position[:8], 16), int(position[8:16], 16))


def position_ms(position: str) -> int:
    """The position's time in Unix milliseconds, to the second."""
    return int(position[:8], 16) * 1000


def event_position(event: Event) -> str:
    """The event's place in commit order, the same on every reading and in every partition.

    The operations of one transaction share a cluster time; the later ones have a suffix that orders them.
    """
    token: Any = event["_id"].get("_data", "")
    if type(token) is str and token[_TIME_END : _TIME_END + 12] in _FIRST_EVENT and token[:2] == "82":
        return token[2:_TIME_END].lower()  # which is the cluster time
    return position_text(event["clusterTime"]) + operation_suffix(str(event["_id"].get("_data", "")))


def operation_suffix(token: str) -> str:
    """What orders the operations of one cluster time, from the resume token's text: empty for the first.

    A token is a KeyString in hex, made by the server to compare in the order of events. After the cluster time come the
    numbers version, token type and index within the transaction, in versions 1 (MongoDB 4.2 and later) and 2 (6.1 and
    later). A token of any other form is taken as it is: it compares in the same order.
    """
    if token[_TIME_END : _TIME_END + 12] in _FIRST_EVENT:
        return ""
    try:
        offset = _TIME_END
        version, offset = _key_string_int(token, offset)
        _, offset = _key_string_int(token, offset)
        index, offset = _key_string_int(token, offset)
        known = token.startswith("82") and version in (1, 2)
    except ValueError:
        known, index = False, 0
    if not known:
        return "." + token.lower()
    return f".{index:08x}" if index else ""


def token_position(token: Document) -> str | None:
    """The cluster time of a resume token as a position, None when it has another form than known."""
    data = str(token.get("_data", ""))
    try:
        return position_text(Timestamp(int(data[2:10], 16), int(data[10:_TIME_END], 16))) if data[:2] == "82" else None
    except ValueError:
        return None


def before_position(position: str) -> str:
    """The last position before all those of this one's cluster time."""
    return f"{int(position[:16], 16) - 1:016x}"


def place_of(token: bytes | None, snapshot_position: str) -> str:
    """How far a stream has come, as a text that compares with those of events' tokens: all events with smaller or equal
    ones were given, none with a larger one. Without a token it has given what the snapshot holds.
    """
    if token is None:
        return f"82{snapshot_position[:16].upper()}FF"  # after every event of that cluster time
    return str(bson.decode(token)["_data"])


def place_position(place: str) -> str:
    """The last cluster time all of whose events a stream has surely given at a place."""
    return before_position(place[2:_TIME_END].lower())


def quiet_position(token: Document) -> str | None:
    """The last position up to which a stream has given everything and nothing later, None when that is uncertain.

    A token that is of no event (a high-water mark) comes before every event of its cluster time.
    """
    data, position = str(token.get("_data", "")), token_position(token)
    try:
        _, offset = _key_string_int(data, _TIME_END)
        kind, _ = _key_string_int(data, offset)
    except ValueError:
        return None
    return None if position is None or kind else before_position(position)


def _key_string_int(text: str, offset: int) -> tuple[int, int]:
    """A whole number not below 0 in KeyString form, and the offset after it; `ValueError` for anything else.

    0x29 is zero; 0x2B to 0x32 announce 1 to 8 bytes, which hold the number shifted left by one, the low bit set if a
    fraction follows.
    """
    tag = int(text[offset : offset + 2], 16)
    if tag == 0x29:
        return 0, offset + 2
    if not 0x2B <= tag <= 0x32:
        raise ValueError(f"no KeyString number begins with {tag:#x}")
    end = offset + 2 + 2 * (tag - 0x2A)
    doubled = int(text[offset + 2 : end], 16)
    if doubled & 1 or len(text) < end:
        raise ValueError("not a whole number")
    return doubled >> 1, end


# --- events to changes ---------------------------------------------------------------------------------------------


def wants_lookup(event: Event) -> bool:
    """Whether the row must be looked up: the event is an update and the server had no post-image of it."""
    return event["operationType"] == "update" and event.get("fullDocument") is None


def is_shown(event: Event, shape: Shape) -> bool:
    """Whether an update names a path of the row that others are joined with."""
    if shape.shown is None:
        return True
    return bool(shape.shown) and rows.touch(shape.shown, named_paths(event.get("updateDescription") or {}, None))


def change_of(event: Event, shape: Shape, looked_up: Document | None = None) -> Change:
    """The change of a row event, shaped. `looked_up` is the row for an event that `wants_lookup`, None when it is gone.

    Raises `BadRecord`, which names collection, key and position, for what cannot be decoded.
    """
    collection, key, position = event["ns"]["coll"], rows.key_text(event["documentKey"]["_id"]), event_position(event)
    op = ROW_OPS[event["operationType"]]
    before: Document | None = event.get("fullDocumentBeforeChange")
    after: Document | None = None if op == "d" else event.get("fullDocument") or looked_up
    of = shaper(shape)
    try:
        text, types = of.text_and_types(after)
        return Change(
            collection,
            key,
            op,
            position,
            event_ms(event),
            None if before is None else of.text(before),
            text,
            named_in(event, after, of),
            of.refs(after),
            types,
        )
    except BadRecord as exc:
        raise BadRecord(f"{collection} {key} at position {position}: {exc}") from exc


def row_of(document: Document, *, collection: str, shape: Shape, position: str) -> Change:
    """The `r` change of a document read by a snapshot at `position`. Raises `BadRecord`, naming collection and key."""
    key, of = rows.key_text(document["_id"]), shaper(shape)
    try:
        after, types = of.text_and_types(document)
    except BadRecord as exc:
        raise BadRecord(f"{collection} {key} in the snapshot at {position}: {exc}") from exc
    return Change(collection, key, "r", position, position_ms(position), None, after, None, of.refs(document), types)


def event_ms(event: Event) -> int:
    """When the server committed it, in Unix milliseconds; to the second if the event has no wall-clock time."""
    wall = event.get("wallTime")
    return (wall - _EPOCH) // _MS if isinstance(wall, datetime) else event["clusterTime"].time * 1000


def named_in(event: Event, after: Document | None, of: Shaper) -> tuple[str, ...] | None:
    """The leaf paths that the event names, as far as the shape keeps them; None when it names none."""
    description: Document | None = event.get("updateDescription")
    if description is None:
        return None
    named = named_paths(description, after)
    return tuple(named) if of.whole else tuple(path for path in named if of.keeps(path))


def named_paths(description: Document, after: Document | None) -> list[str]:
    """The leaf paths that an `updateDescription` names. An array is one leaf, so a path into one ends at the array."""
    updated: Document = description.get("updatedFields") or {}
    truncated: Sequence[Document] = description.get("truncatedArrays") or ()
    paths: dict[str, None] = {}
    for path, value in updated.items():
        if "." not in path and not isinstance(value, Mapping):
            paths[path] = None
        else:
            paths |= dict.fromkeys(_leaves(path, value, after))
    for path in (*(description.get("removedFields") or ()), *(t["field"] for t in truncated)):
        paths[_up_to_array(path, after)] = None
    return list(paths)


def _leaves(path: str, value: Any, after: Document | None) -> Iterator[str]:
    array = _up_to_array(path, after)
    return rows.leaf_paths(value, path) if array == path else iter((array,))


def _up_to_array(path: str, after: Document | None) -> str:
    """`path`, cut at the first array on its way; without the row, a number in a path is taken for an array's index."""
    if "." not in path:
        return path
    steps = path.split(".")
    if after is None:
        return next((".".join(steps[:i]) for i, step in enumerate(steps) if i and step.isdecimal()), path)
    value: Any = after
    for i, step in enumerate(steps):
        if isinstance(value, list):
            return ".".join(steps[:i])
        if not isinstance(value, Mapping) or step not in value:
            return path
        value = cast("Document", value)[step]
    return path


# --- the end of a collection ---------------------------------------------------------------------------------------


def removed_by(events: Iterable[Event], watched: Iterable[str]) -> frozenset[str]:
    """The watched collections of which no row is left after drop, rename, dropDatabase and invalidate events."""
    removed: set[str] = set()
    for event in events:
        match event["operationType"]:
            case "drop":
                removed.add(event["ns"]["coll"])
            case "rename":
                removed.add(event["ns"]["coll"])
                if event["to"]["db"] == event["ns"]["db"]:
                    removed.discard(event["to"]["coll"])
            case "dropDatabase":
                removed.update(watched)
            case _:
                pass
    return frozenset(removed) & frozenset(watched)


def removal_text(event: Event, watched: Iterable[str]) -> str:
    """What a drop, rename, dropDatabase or invalidate event did, for a person."""
    namespace: Document = event.get("ns", {})
    target: Document = event.get("to", {})
    name, to = namespace.get("coll", ""), target.get("coll", "")
    match event["operationType"]:
        case "drop":
            what = f"collection {name} was dropped"
        case "rename" if to in set(watched):
            what = f"collection {name} was renamed to {to}, whose rows it replaced"
        case "rename":
            what = f"collection {name} was renamed to {to}"
        case "dropDatabase":
            what = f"database {namespace.get('db', '')} was dropped"
        case _:
            what = "the change stream was invalidated"
    return f"{what} at {rows.iso_of_ms(event_ms(event))} (position {event_position(event)})"
