"""Rows as values: plain JSON, keys and foreign keys as text, masks, projections and what differs between two rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson import json_util
from bson.binary import Binary, UuidRepresentation
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from pymongo import MongoClient

from connectors import rows
from connectors.errors import BadRecord

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SMALLEST_MS, LARGEST_MS = -62_135_596_800_000, 253_402_300_799_999
"""Of the years 1 to 9999, which Python's `datetime` has."""
OBJECT_ID = ObjectId("0123456789abcdef01234567")

names = st.text(st.characters(exclude_characters=".$\0", codec="utf-8"), min_size=1, max_size=4)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-5, 5).map(Int64),
    st.floats(),
    st.text(st.characters(codec="utf-8")),
    st.binary(),
    st.binary(min_size=16, max_size=16).map(lambda b: Binary(b, 4)),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.integers(-(1 << 62), 1 << 62).map(DatetimeMS),
    st.integers(SMALLEST_MS, LARGEST_MS).map(DatetimeMS),
    st.decimals().filter(lambda d: len(d.as_tuple().digits) <= 34 and not d.is_snan()).map(Decimal128),
    st.builds(Timestamp, st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1)),
    st.builds(Regex, st.text("ab.*"), st.sampled_from(["", "i", "mx"])),
    st.builds(Code, st.text(max_size=5)),
    st.builds(Code, st.text(max_size=5), st.just({"x": 1})),
    st.builds(DBRef, names, st.integers(0, 9), st.one_of(st.none(), names)),
    st.just(MinKey()),
    st.just(MaxKey()),
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3), max_leaves=8)
documents = st.dictionaries(names, values, max_size=4)

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"]),
    lambda v: st.lists(v, max_size=2) | st.dictionaries(st.sampled_from("abc"), v, max_size=3),
    max_leaves=8,
)
plain_rows = st.dictionaries(st.sampled_from("abc"), plain_values, max_size=3)
plain_trees = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers(0, 2), lambda v: st.dictionaries(st.sampled_from("abc"), v, min_size=1, max_size=2), max_leaves=4
    ),
)
paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
path_lists = st.lists(paths, max_size=3)


def decoded(document: dict[str, Any]) -> dict[str, Any]:
    """As the source meets it."""
    return bson.decode(bson.encode(document), CODEC)


# --- plain JSON ----------------------------------------------------------------------------------------------------


@given(documents)
def test_every_bson_value_becomes_valid_json_with_the_same_fields(document: dict[str, Any]) -> None:
    row = decoded(document)
    text = rows.dumps(row)
    assert list(json.loads(text, parse_constant=pytest.fail)) == list(row)
    assert rows.loads(rows.canonical_dumps(row)) == rows.loads(text)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (OBJECT_ID, "0123456789abcdef01234567"),
        (datetime(2026, 11, 21, 20, 0, 0, 123000, UTC), "2026-11-21T20:00:00.123000Z"),
        (datetime(2026, 11, 21, 20, tzinfo=UTC), "2026-11-21T20:00:00Z"),
        (DatetimeMS(LARGEST_MS + 1), "+010000-01-01T00:00:00Z"),
        (DatetimeMS(SMALLEST_MS - 1), "0000-12-31T23:59:59.999000Z"),
        (Decimal128("1.10"), "1.10"),
        (b"\x00\xff", "AP8="),
        (Binary(b"\x00\xff", 128), "AP8="),
        (Binary(bytes(16), 4), "AAAAAAAAAAAAAAAAAAAAAA=="),
        (float("nan"), None),
        (float("-inf"), None),
        (Int64(1 << 62), 1 << 62),
        (Timestamp(7, 2), {"t": 7, "i": 2}),
        (Regex("^a", "i"), {"pattern": "^a", "flags": 2}),
        (DBRef("movies", 5), {"$ref": "movies", "$id": 5}),
        (MinKey(), {"$minKey": 1}),
        (Code("f()"), "f()"),
    ],
)
def test_json_values_are_plain(value: Any, plain: Any) -> None:
    assert rows.loads(rows.dumps(decoded({"v": value}))) == {"v": plain}


def test_what_json_cannot_hold_is_a_bad_record() -> None:
    with pytest.raises(BadRecord, match="complex"):
        rows.dumps({"v": 1j})


def test_canonical_text_does_not_depend_on_the_order_of_fields() -> None:
    assert rows.canonical_dumps({"b": {"y": 1, "x": 2}, "a": 0}) == rows.canonical_dumps(
        {"a": 0, "b": {"x": 2, "y": 1}}
    )


@given(st.integers(SMALLEST_MS, LARGEST_MS))
def test_a_time_is_written_as_pythons_own_dates_are(ms: int) -> None:
    moment = EPOCH + timedelta(milliseconds=ms)
    assert rows.iso_of_ms(ms) == rows.loads(rows.dumps(moment))
    assert datetime.fromisoformat(rows.iso_of_ms(ms)) == moment


@given(st.integers(-(1 << 53), 1 << 53))
def test_a_time_of_any_year_is_400_years_from_its_like(ms: int) -> None:
    """The Gregorian calendar repeats every 400 years, which are 146,097 days."""
    one, other = rows.iso_of_ms(ms), rows.iso_of_ms(ms + 146_097 * 86_400_000)
    assert other[-len("MM-DDTHH:MM:SSZ") :] == one[-len("MM-DDTHH:MM:SSZ") :]
    assert int(other[: other.index("-", 1)]) - int(one[: one.index("-", 1)]) == 400


# --- keys and foreign keys -----------------------------------------------------------------------------------------


def test_an_object_id_is_its_digits_and_other_keys_keep_their_type() -> None:
    assert rows.key_text(OBJECT_ID) == "0123456789abcdef01234567"
    assert rows.key_text(5) == '{"$numberInt": "5"}'
    assert rows.key_text(Int64(5)) == '{"$numberLong": "5"}'
    assert rows.key_text("5") == '"5"'
    assert rows.key_text(str(OBJECT_ID)) != rows.key_text(OBJECT_ID)


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_key_is_canonical_extended_json(key: str) -> None:
    assert rows.key_text(key) == json_util.dumps(key, json_options=json_util.CANONICAL_JSON_OPTIONS)


@given(values.filter(lambda v: not isinstance(v, Regex)))
def test_a_foreign_key_reads_the_same_from_a_value_and_from_its_key(value: Any) -> None:
    found = decoded({"v": value})["v"]
    if found is not None:
        assert rows.ref_of_key(rows.key_text(found)) == rows.ref_text(found)


@given(values.filter(lambda v: not isinstance(v, Regex | list)))
def test_a_key_is_read_back_as_the_value_that_it_was_written_from(value: Any) -> None:
    text = rows.key_text(decoded({"v": value})["v"])
    found = rows.key_value(text)
    assert rows.key_text(found) == text
    if "NaN" not in text:  # which has several forms in BSON; MongoDB takes them for equal
        assert bson.encode({"v": found}, codec_options=CODEC) == bson.encode({"v": value})


def test_nothing_and_null_refer_to_nothing() -> None:
    assert rows.ref_text(None) is None
    assert rows.ref_text(rows.at({}, "a.b")) is None


NUMBERS: list[Any] = [
    *(0, 1, -1, 5, 1 << 31, 1 << 53, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63)),
    *(Int64(0), Int64(5), Int64(1 << 40)),
    *(0.0, -0.0, 5.0, 0.1, 0.5, 1e15, 2.0**53, 2.0**63, -(2.0**63), 1e300, float("inf"), float("-inf"), float("nan")),
    *(Decimal128(text) for text in ("0", "-0", "0E+10", "5", "5.00", "5E0", "0.1", "0.5", "0.50", "1E+15", "1E300")),
    *(Decimal128(text) for text in ("9223372036854775808", "9223372036854775807", "9007199254740993", "1E+6000")),
    *(Decimal128(text) for text in ("Infinity", "-Infinity", "NaN", "1E-6000")),
    Decimal128("0.1000000000000000055511151231257827"),
]


OTHERS: list[Any] = [
    *("5", "", True, False, OBJECT_ID, str(OBJECT_ID), datetime(2026, 1, 1, tzinfo=UTC), Timestamp(1, 1)),
    *({"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": {"b": Int64(1)}}, {"a": {"b": 1}}),
    *(b"a", Binary(b"a", 0), Binary(b"a", 5)),
]


@pytest.mark.parametrize("group", [NUMBERS, OTHERS, [*NUMBERS[:8], *OTHERS]], ids=["numbers", "others", "mixed"])
def test_foreign_keys_are_equal_exactly_when_mongodb_says_so(
    mongo: MongoClient[dict[str, Any]], mongo_db: str, group: list[Any]
) -> None:
    collection = mongo[mongo_db].get_collection("values", codec_options=CODEC)
    collection.insert_many({"_id": i, "v": value} for i, value in enumerate(group))
    for i, value in enumerate(group):
        equal = {row["_id"] for row in collection.find({"v": {"$eq": value}}, {"_id": 1})}
        mine = rows.ref_text(decoded({"v": value})["v"])
        assert {j for j, other in enumerate(group) if rows.ref_text(decoded({"v": other})["v"]) == mine} == equal, i


# --- masks and projections -----------------------------------------------------------------------------------------


@given(plain_trees, path_lists)
def test_what_is_chosen_and_what_is_left_make_the_row(row: dict[str, Any], chosen: list[str]) -> None:
    kept, rest = rows.project(row, chosen), rows.without(row, chosen)
    assert leaves(kept) | leaves(rest) == leaves(row)
    assert not {p for p in leaves(kept) if not rows.covers(chosen, p)} - empties(kept)
    assert not {p for p in leaves(rest) if rows.covers(chosen, p)}


def leaves(row: dict[str, Any]) -> set[str]:
    """Leaf paths, without sub-documents that were emptied."""
    return set(rows.leaf_paths(row, "")) - empties(row) if row else set()


def empties(row: dict[str, Any]) -> set[str]:
    return {p for p in rows.leaf_paths(row, "") if p and rows.at(row, p) == {}}


@given(plain_rows, path_lists, path_lists)
def test_the_mask_wins_over_the_chosen_fields(row: dict[str, Any], fields: list[str], mask: list[str]) -> None:
    shaped = rows.shaped(row, mask, fields)
    assert rows.without(shaped, mask) == shaped
    assert rows.shaped(shaped, mask, fields) == shaped


def test_paths_keep_their_own_nesting_and_reach_through_arrays() -> None:
    row = {"cast": [{"name": "A", "pay": 1}, {"name": "B"}, 3], "imdb": {"rating": 8, "votes": 9}, "title": "T"}
    assert rows.project(row, ["imdb.rating", "cast.name", "none.such"]) == {
        "imdb": {"rating": 8},
        "cast": [{"name": "A"}, {"name": "B"}],
    }
    assert rows.without(row, ["cast.pay", "imdb"]) == {"cast": [{"name": "A"}, {"name": "B"}, 3], "title": "T"}


def test_a_path_below_another_adds_nothing_to_it() -> None:
    row = {"a": {"b": 1, "c": 2}}
    assert rows.project(row, ["a.b", "a"]) == rows.project(row, ["a", "a.b"]) == row
    assert rows.without(row, ["a.b", "a"]) == rows.without(row, ["a", "a.b"]) == {}


def test_paths_are_looked_up_through_sub_documents() -> None:
    row = {"imdb": {"rating": 8}, "cast": [{"name": "x"}]}
    assert [rows.at(row, path) for path in ("imdb.rating", "imdb.votes", "imdb.rating.x", "cast.name")] == [
        8,
        None,
        None,
        None,
    ]


def test_a_shape_that_leaves_all_is_the_row_itself() -> None:
    row = {"a": 1}
    assert rows.shaped(row, (), None) is row


def test_a_name_that_begins_like_a_path_is_not_below_it() -> None:
    assert rows.covers(["imdb"], "imdb.rating")
    assert not rows.covers(["imdb"], "imdb2")
    assert not rows.covers(["imdb.rating"], "imdb")


# --- what differs --------------------------------------------------------------------------------------------------


@given(plain_rows, plain_rows)
def test_taking_over_the_changed_paths_gives_the_other_row(before: dict[str, Any], after: dict[str, Any]) -> None:
    changed = rows.changed_paths(before, after)
    assert len(set(changed)) == len(changed)
    result: dict[str, Any] = json.loads(json.dumps(before))
    for path in changed:
        remove(result, path.split("."))
    for path in changed:
        copy(after, result, path.split("."))
    assert without_empty(result) == without_empty(after)


def remove(row: Any, steps: list[str]) -> None:
    for step in steps[:-1]:
        row = row.get(step) if isinstance(row, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(row, dict):
        row.pop(steps[-1], None)  # pyright: ignore[reportUnknownMemberType]


def copy(source: dict[str, Any], target: dict[str, Any], steps: list[str]) -> None:
    """Nothing when the path is not in `source`: it is one that went away."""
    for step in steps[:-1]:
        below = source.get(step)
        if not isinstance(below, dict):
            return
        source = below  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(target.get(step), dict):
            target[step] = {}
        target = target[step]
    if steps[-1] in source:
        target[steps[-1]] = source[steps[-1]]


def without_empty(value: Any) -> Any:
    """A sub-document and an empty one, or none, are told apart by its leaves only."""
    if not isinstance(value, dict):
        return value
    kept = {k: without_empty(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return {k: v for k, v in kept.items() if v != {}}  # pyright: ignore[reportUnknownVariableType]


@given(plain_rows)
def test_a_row_does_not_differ_from_itself(row: dict[str, Any]) -> None:
    assert rows.changed_paths(row, row) == []


@given(plain_rows, plain_rows)
def test_rows_differ_where_their_json_does(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert bool(rows.changed_paths(before, after)) == (rows.canonical_dumps(before) != rows.canonical_dumps(after))


def test_changed_paths_are_leaves_and_an_array_is_one() -> None:
    before = {"a": {"x": 1, "y": 2}, "tags": [1, 2], "gone": {"z": 0}, "n": 1}
    after: dict[str, Any] = {"a": {"x": 1, "y": 3}, "tags": [1, 3], "new": {"q": {}}, "n": 1.0}
    assert rows.changed_paths(before, after) == ["a.y", "tags", "new.q", "n", "gone.z"]
    assert rows.changed_paths({"a": [{"x": [False, 1]}]}, {"a": [{"x": [0, 1]}]}) == ["a"]
    assert rows.changed_paths({"a": {"x": 1}}, {"a": None}) == ["a", "a.x"]
    assert rows.changed_paths({"a": None}, {"a": {"x": 1}}) == ["a.x"]


def test_uuids_are_read_as_the_bytes_they_are() -> None:
    assert CODEC.uuid_representation == UuidRepresentation.UNSPECIFIED


def test_a_mask_holds_however_a_path_is_cut_into_names() -> None:
    row = {
        "a.b": 1,
        "a.b.c": 1,
        "a.x": 2,
        "a": {"b": 1, "b.c": 1, "x": 2},
        "owner": DBRef("users", 1, None, password="p", seen=1),
        "owner.password": "p",
        "many": [{"a.b": 1}],
        "d.e": {"f": 1, "g": 2},
    }
    kept = rows.without(row, ["a.b", "owner.password", "d.e.f"])
    assert rows.loads(rows.dumps(kept)) == {
        "a.x": 2,
        "a": {"x": 2},
        "owner": {"$ref": "users", "$id": 1, "seen": 1},
        "many": [{"a.b": 1}],
        "d.e": {"g": 2},
    }


def test_a_path_goes_through_a_dbref() -> None:
    row = {"owner": DBRef("users", 1, None, name="n")}
    assert rows.at(row, "owner.name") == "n"
    assert rows.project(row, ["owner.name"]) == {"owner": {"name": "n"}}


def test_a_decimal_that_is_a_signaling_nan_is_nan() -> None:
    assert rows.ref_text(Decimal128("sNaN")) == rows.ref_text(Decimal128("NaN")) == rows.ref_text(float("nan"))
