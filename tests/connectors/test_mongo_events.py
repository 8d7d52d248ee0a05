"""Events as values: positions, named paths, changes; without a server. The tokens are those of a MongoDB 6.0.5."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import bson
import orjson
import pytest
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from connectors.changes import Shape
from connectors.errors import BadRecord
from connectors.mongo_events import (
    change_of,
    event_position,
    named_paths,
    operation_suffix,
    pipeline,
    place_of,
    place_position,
    position_ms,
    position_text,
    position_time,
    removal_text,
    row_of,
    token_position,
    wants_lookup,
)

TIME = Timestamp(1795295413, 1)
AT = "6b0208b500000001"
REST = "6E5A1004B285A723319844E698AE5FB4D5EBE1B2461E5F6964002D022AAE0004"
VERSION_1, VERSION_2 = "2B022C0100", "2B042C0100"


def event(operation: str, **more: Any) -> dict[str, Any]:
    token = {"_data": "82" + AT.upper() + VERSION_1 + "29" + REST}
    return {
        "_id": token,
        "operationType": operation,
        "clusterTime": TIME,
        "wallTime": datetime(2026, 11, 21, 21, 10, 13, 870000),
        "ns": {"db": "shop", "coll": "films"},
        "documentKey": {"_id": 1},
        **more,
    }


def key_string(number: int) -> str:
    """A whole number as the server writes it into a token."""
    if number == 0:
        return "29"
    doubled = number << 1
    size = (doubled.bit_length() + 7) // 8
    return f"{0x2A + size:02X}{doubled:0{2 * size}X}"


@pytest.mark.parametrize(
    ("index", "written"),
    [(0, "29"), (1, "2B02"), (127, "2BFE"), (128, "2C0100"), (298, "2C0254"), (32_697, "2CFF72"), (70_000, "2D0222E0")],
)
def test_the_index_in_a_transaction_is_read_from_real_tokens(index: int, written: str) -> None:
    assert key_string(index) == written
    for version in (VERSION_1, VERSION_2):
        suffix = operation_suffix("82" + AT.upper() + version + written + REST)
        assert suffix == (f".{index:08x}" if index else "")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1 << 31)), min_size=2))
def test_positions_compare_as_text_in_commit_order(places: list[tuple[int, int]]) -> None:
    def position(place: tuple[int, int]) -> str:
        time = Timestamp(TIME.time, place[0])
        token = f"82{time.time:08X}{time.inc:08X}{VERSION_1}{key_string(place[1])}{REST}"
        return event_position({"clusterTime": time, "_id": {"_data": token}})

    assert sorted(map(position, places)) == [position(place) for place in sorted(places)]


@pytest.mark.parametrize(
    "token",
    ["", "82", "not hex", "82" + AT.upper() + "FF", "82" + AT.upper() + "2B082C010029" + REST, "8F" + AT + "2B02"],
)
def test_a_token_of_an_unknown_form_orders_by_itself(token: str) -> None:
    suffix = operation_suffix(token)
    assert suffix == "." + token.lower()
    assert AT + suffix > AT


def test_a_position_is_its_time() -> None:
    assert position_text(TIME) == AT
    assert position_time(AT + ".00000003") == TIME
    assert position_ms(AT) == 1795295413_000
    assert token_position({"_data": "82" + AT.upper() + "2B0229296E04"}) == AT
    assert token_position({"_data": "something else"}) is None


def test_a_place_is_after_every_event_that_was_given_and_before_the_others() -> None:
    token = {"_data": "82" + AT.upper() + VERSION_1 + "29" + REST}
    place = place_of(bson.encode(token), AT)
    assert place == token["_data"]
    assert place_position(place) == "6b0208b500000000"
    read = place_of(None, AT)
    assert token["_data"] < read < "82" + "6B0208B500000002"


def test_what_another_jobs_partitions_have_emitted_is_left_out_of_their_rows() -> None:
    _, _, former = pipeline(
        database="shop", collections=["films"], partition=1, partitions=2, former=["82A", "82B", "82C"]
    )
    *later, removals = former["$match"]["$or"]
    assert [one["_id._data"] for one in later] == [{"$gt": "82A"}, {"$gt": "82B"}, {"$gt": "82C"}]
    assert all("$expr" in one for one in later)
    assert "operationType" in removals


@pytest.mark.parametrize(
    ("updated", "removed", "after", "expected"),
    [
        ({"title": "x"}, [], {"title": "x"}, ["title"]),
        ({"imdb.votes": 2}, ["year"], {"imdb": {"votes": 2}}, ["imdb.votes", "year"]),
        ({"imdb": {"votes": 2, "by": {"x": 1}}}, [], {}, ["imdb.votes", "imdb.by.x"]),
        ({"imdb": {}}, [], {"imdb": {}}, ["imdb"]),
        ({"cast.1": "a", "cast.2": "b"}, [], {"cast": ["x", "a", "b"]}, ["cast"]),
        ({"cast.1.name": "a"}, [], {"cast": [{}, {"name": "a"}]}, ["cast"]),
        ({"by_year.1999": 3}, [], {"by_year": {"1999": 3}}, ["by_year.1999"]),
        ({"a.cast.0": 3}, ["b.0.c"], None, ["a.cast", "b"]),
        ({"gone.votes": 2}, [], {"title": "x"}, ["gone.votes"]),
    ],
)
def test_an_update_names_leaves_and_whole_arrays(
    updated: dict[str, Any], removed: list[str], after: dict[str, Any] | None, expected: list[str]
) -> None:
    assert named_paths({"updatedFields": updated, "removedFields": removed}, after) == expected


def test_a_truncated_array_is_named_once() -> None:
    description = {
        "updatedFields": {"cast.0": 1},
        "removedFields": [],
        "truncatedArrays": [{"field": "cast", "newSize": 1}],
    }
    assert named_paths(description, {"cast": [1]}) == ["cast"]


def test_an_insert_is_a_create() -> None:
    change = change_of(event("insert", fullDocument={"_id": 1, "title": "x"}), Shape(refs=("title", "by.email")))
    assert (change.collection, change.key, change.op) == ("films", '{"$numberInt": "1"}', "c")
    assert (change.position, change.ts_ms) == (AT, 1795295413_870)
    assert (change.before, change.after, change.named) == (None, '{"_id":1,"title":"x"}', None)
    assert change.refs == {"title": '"x"', "by.email": None}


def test_an_update_says_what_changed_and_keeps_nothing_masked() -> None:
    row = {"_id": 1, "name": "x", "password": "p", "keys": {"a": 1, "secret": "p"}, "cast": [{"name": "n"}]}
    update = event(
        "update",
        fullDocument=row,
        fullDocumentBeforeChange={**row, "name": "old"},
        updateDescription={"updatedFields": {"name": "x", "password": "p", "keys": row["keys"], "cast": row["cast"]}},
    )
    masked = change_of(update, Shape(mask=("password", "keys.secret")))
    assert masked.named == ("name", "keys.a", "cast")
    assert orjson.loads(masked.before or "")["name"] == "old"
    assert '"p"' not in repr(masked)
    chosen = change_of(update, Shape(mask=("keys",), fields=("password", "keys", "cast.name")))
    assert chosen.named == ("password", "cast")
    assert orjson.loads(chosen.after or "") == {"password": "p", "cast": [{"name": "n"}]}


def test_only_an_update_without_its_row_is_looked_up() -> None:
    description = {"updatedFields": {"n": 2}}
    update = event("update", fullDocument=None, updateDescription=description)
    assert wants_lookup(update)
    assert not wants_lookup(event("update", fullDocument={"_id": 1}, updateDescription=description))
    assert not wants_lookup(event("delete"))
    assert change_of(update, Shape(), {"_id": 1, "n": 3}).after == '{"_id":1,"n":3}'
    gone = change_of(update, Shape(refs=("n",)))
    assert (gone.op, gone.after, gone.named, gone.refs) == ("u", None, ("n",), {"n": None})


def test_a_replacement_names_nothing_and_a_delete_has_no_row() -> None:
    replaced = change_of(event("replace", fullDocument={"_id": 1}), Shape())
    assert (replaced.op, replaced.named) == ("u", None)
    deleted = change_of(event("delete", fullDocumentBeforeChange={"_id": 1, "n": 2}), Shape(refs=("n",)))
    assert (deleted.op, deleted.before, deleted.after, deleted.refs) == ("d", '{"_id":1,"n":2}', None, {"n": None})


def test_without_a_wall_clock_the_cluster_time_counts() -> None:
    plain = event("delete")
    del plain["wallTime"]
    assert change_of(plain, Shape()).ts_ms == 1795295413_000


def test_a_row_of_the_snapshot_is_as_of_its_time() -> None:
    oid = ObjectId("6b020a13bf5ae15952563464")
    read = row_of(
        {"_id": oid, "email": "a@b", "p": 1}, collection="users", shape=Shape(("p",), None, ("email",)), position=AT
    )
    assert (read.op, read.key, read.position, read.ts_ms) == ("r", str(oid), AT, 1795295413_000)
    assert (read.after, read.refs) == (f'{{"_id":"{oid}","email":"a@b"}}', {"email": '"a@b"'})


def test_what_json_cannot_hold_is_named() -> None:
    with pytest.raises(BadRecord, match=rf"films .* at position {AT}"):
        change_of(event("insert", fullDocument={"_id": 1, "n": object()}), Shape())
    with pytest.raises(BadRecord, match=r"films .* in the snapshot"):
        row_of({"_id": 1, "n": object()}, collection="films", shape=Shape(), position=AT)


def test_the_end_of_a_collection_is_told_with_its_time() -> None:
    told = removal_text(event("drop"), ["films"])
    assert told == f"collection films was dropped at 2026-11-21T21:10:13.870000Z (position {AT})"
    to = {"db": "shop", "coll": "old"}
    assert "films was renamed to old at" in removal_text(event("rename", to=to), ["films"])
    assert "films was renamed to old, whose rows it replaced" in removal_text(event("rename", to=to), ["old"])
    assert "database shop was dropped" in removal_text(event("dropDatabase", ns={"db": "shop"}), ["films"])
    assert "invalidated" in removal_text(event("invalidate"), ["films"])


def test_only_rows_are_shared_out_between_partitions() -> None:
    watched, shared = pipeline(database="shop", collections=["films"], partition=1, partitions=4)
    ours, removals = shared["$match"]["$or"]
    assert ours["$expr"]["$in"][1] == [1, -3]
    assert removals == {"operationType": {"$in": ["drop", "rename", "dropDatabase", "invalidate"]}}
    assert pipeline(database="shop", collections=["films"], partition=0, partitions=1) == [watched]
