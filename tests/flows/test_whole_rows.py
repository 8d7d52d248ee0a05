"""A job that archives decodes whole rows; what it writes to the feed is the same to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from connectors.changes import Change, Shape
from connectors.dead_letters import Emitted
from connectors.mongo_events import change_of, row_of
from connectors.records import Record
from flows.gauges import JoinGauges
from flows.join.plan import Plan
from flows.join.stages import shards_of
from flows.views import parse_views
from flows.whole import _WholeLogic  # pyright: ignore[reportPrivateUsage]  # the join without the engine around it

VIEWS = parse_views(
    {
        "views": {
            "films": {"fields": ["title", "rating.imdb", "director"], "mask": ["secret"]},
            "titles": {"collection": "films", "fields": ["title"]},
            "people": {"mask": ["secret", "of.secret"]},
            "notes": {
                "fields": ["text", "film_id", "email", "of"],
                "lookups": {
                    "film": {"collection": "films", "local": "film_id", "fields": ["title", "rating.imdb"]},
                    "person": {"collection": "people", "local": "email", "foreign": "email", "fields": ["of.name"]},
                },
            },
        }
    }
)
KEYS: Mapping[str, list[Any]] = {
    "films": [ObjectId("573a1390f29313caabcd4323"), 5],
    "people": [1, 2],
    "notes": ["a", "b", ObjectId("5a9427648b0beebeb69579e7")],
}
scalars = st.none() | st.integers(0, 2) | st.sampled_from(["x", "secret"])
emails = st.sampled_from(["a@x.org", "b@x.org", None])
inner = st.dictionaries(st.sampled_from(["imdb", "name", "secret", "votes"]), scalars | st.lists(scalars, max_size=2))
rows = st.fixed_dictionaries(
    {},
    optional={
        "title": scalars,
        "rating": inner | scalars,
        "director": inner,
        "secret": inner | scalars,
        "text": scalars,
        "of": inner | st.lists(inner, max_size=2),
        "film_id": st.sampled_from([*KEYS["films"], "none"]),
        "email": emails,
        "unneeded": scalars | inner,
        "film": scalars,  # a field with the name of a lookup
    },
)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows that are read, and then events of them in commit order, with all that MongoDB would say."""
    now: dict[tuple[str, Any], dict[str, Any]] = {}
    events: list[dict[str, Any]] = []
    for at in range(draw(st.integers(1, 14))):
        collection = draw(st.sampled_from(sorted(KEYS)))
        key = draw(st.sampled_from(KEYS[collection]))
        old = now.get((collection, key))
        event: dict[str, Any] = {
            "_id": {"_data": ""},
            "ns": {"coll": collection},
            "documentKey": {"_id": key},
            "clusterTime": Timestamp(1_790_000_000, at + 1),
            "fullDocumentBeforeChange": old if draw(st.booleans()) else None,
        }
        if old is not None and draw(st.integers(0, 4)) == 0:
            del now[collection, key]
            events.append({**event, "operationType": "delete"})
            continue
        new = {"_id": key, **draw(rows)}
        now[collection, key] = new
        if old is None:
            event |= {"operationType": "insert", "fullDocumentBeforeChange": None}
        elif draw(st.booleans()):
            event |= {"operationType": "replace"}
        else:
            described = {
                "updatedFields": {name: value for name, value in new.items() if old.get(name) != value},
                "removedFields": [name for name in old if name not in new],
            }
            event |= {"operationType": "update", "updateDescription": described}
        events.append({**event, "fullDocument": new})
    return events


def outputs(events: list[dict[str, Any]], shapes: Mapping[str, Shape], *, whole: bool) -> list[Any]:
    changes: list[Change] = []
    for number, event in enumerate(events):
        shape = shapes[event["ns"]["coll"]]
        if number < 2 and event["operationType"] == "insert":
            position = "6ab1c0000000000" + str(number)
            changes.append(
                row_of(event["fullDocument"], collection=event["ns"]["coll"], shape=shape, position=position)
            )
        else:
            changes.append(change_of(event, shape))
    plan = Plan(VIEWS, whole=whole)
    join = _WholeLogic(plan, shards_of(plan), JoinGauges(), recovers=False, resumed=None)
    batches: list[list[Emitted]] = [list(changes[start : start + 3]) for start in range(0, len(changes), 3)]
    done = [*join.on_batch(batches)[0], *join.on_eof()[0]]
    return [item.to_fields() if isinstance(item, Record) else item for each in done for item in each.outputs]


@given(histories())
def test_records_are_the_same_whether_rows_come_whole_or_with_what_views_need(events: list[dict[str, Any]]) -> None:
    plain = outputs(events, VIEWS.shapes, whole=False)
    assert plain
    assert outputs(events, VIEWS.whole_shapes, whole=True) == plain
