"""Rows as values: BSON to plain JSON, keys as text, masks, projections and differences."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import json_util
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRecord
from connectors.rows import (
    at,
    canonical_dumps,
    changed_paths,
    covers,
    dumps,
    iso_of_ms,
    key_text,
    loads,
    project,
    ref_text,
    shaped,
    without,
)

OID = ObjectId("573a1390593534c1be000000")
ROWS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abc"), ROWS, max_size=3)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (OID, str(OID)),
        (datetime(2020, 1, 2, 3, 4, 5, 6000), "2020-01-02T03:04:05.006000Z"),
        (datetime(1960, 1, 1), "1960-01-01T00:00:00Z"),
        (DatetimeMS(253_402_300_800_000), "+010000-01-01T00:00:00Z"),
        (Decimal128("3.30"), "3.30"),
        (b"bin", "Ymlu"),
        (Binary(b"x", 4), "eA=="),
        (float("nan"), None),
        (Int64(1 << 40), 1 << 40),
        (Timestamp(5, 6), {"t": 5, "i": 6}),
        (Regex("^a", "i"), {"pattern": "^a", "flags": 2}),
        (MaxKey(), {"$maxKey": 1}),
    ],
)
def test_every_bson_type_has_a_plain_form(value: Any, plain: Any) -> None:
    assert json.loads(dumps({"v": value})) == {"v": plain}


def test_what_has_no_form_is_a_bad_record() -> None:
    with pytest.raises(BadRecord, match="cannot be written as JSON"):
        dumps({"v": object()})


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_date_is_written_as_datetime_would(ms: int) -> None:
    expected = (datetime(1970, 1, 1) + timedelta(milliseconds=ms)).isoformat() + "Z"
    assert iso_of_ms(ms) == expected


@given(st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none())
def test_a_key_is_canonical_extended_json(value: Any) -> None:
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return
    expected = json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS, separators=(",", ":"))
    assert key_text(value) == expected


def test_an_object_id_is_its_digits_and_five_is_not_the_text_five() -> None:
    assert key_text(OID) == ref_text(OID) == str(OID)
    assert len({key_text(5), key_text("5"), key_text(5.0), key_text(Int64(5))}) == 4


def test_numbers_that_mongodb_calls_equal_refer_to_the_same_row() -> None:
    assert len({ref_text(v) for v in (5, 5.0, Int64(5), Decimal128("5"), Decimal128("5.00"))}) == 1
    assert len({ref_text(v) for v in (2.5, Decimal128("2.5"))}) == 1
    assert len({ref_text(v) for v in (5, "5", True, [5], {"v": 5})}) == 5
    assert ref_text({"v": [5]}) == ref_text({"v": [5.0]})
    assert ref_text(None) is None


def test_paths_are_looked_up_through_sub_documents() -> None:
    row = {"imdb": {"rating": 8}, "cast": [{"name": "x"}]}
    assert at(row, "imdb.rating") == 8
    assert at(row, "imdb.votes") is None
    assert at(row, "imdb.rating.x") is None
    assert at(row, "cast.name") is None


def test_a_shape_keeps_what_is_chosen_and_never_what_is_masked() -> None:
    row = {"a": 1, "keys": {"secret": 2, "public": 3}, "cast": [{"name": "x", "pin": 4}, 5]}
    assert shaped(row, ("keys.secret", "cast.pin"), None) == {"a": 1, "keys": {"public": 3}, "cast": [{"name": "x"}, 5]}
    assert shaped(row, ("keys",), ("keys.public", "a", "b")) == {"a": 1}
    assert project(row, ("cast.name", "keys.public")) == {"cast": [{"name": "x"}], "keys": {"public": 3}}
    assert without(row, ("a", "keys", "cast")) == {}
    assert shaped(row, (), None) is row


def test_a_path_is_covered_by_itself_and_what_is_above_it() -> None:
    assert covers(("a.b",), "a.b")
    assert covers(("a.b",), "a.b.c")
    assert not covers(("a.b",), "a")
    assert not covers(("a.b",), "a.bc")


def test_differences_are_leaves_and_an_array_is_one() -> None:
    before = {"a": 1, "b": {"x": 1, "y": 2}, "c": [1], "gone": {"z": 1}}
    after = {"a": 1.0, "b": {"x": 1, "y": 3}, "c": [1, 2], "new": {"p": {"q": 1}, "e": {}}}
    assert changed_paths(before, after) == ["a", "b.y", "c", "new.p.q", "new.e", "gone.z"]


@given(DOCUMENTS, DOCUMENTS)
def test_rows_differ_where_their_json_does(before: dict[str, Any], after: dict[str, Any]) -> None:
    differ = json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)
    assert bool(changed_paths(before, after)) is differ
    assert (canonical_dumps(before) != canonical_dumps(after)) is differ
    assert loads(dumps(after)) == after
