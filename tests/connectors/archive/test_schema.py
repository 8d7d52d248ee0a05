"""Changes go into the archive's columns and come out as they were, and as another shape has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex
from hypothesis import given
from hypothesis import strategies as st

from connectors import rows
from connectors.archive.schema import batch_of, change_of
from connectors.archive.typed import restored, types_of
from connectors.changes import Change, Shape
from connectors.mongo_events import row_of
from connectors.shaping import shaper

TYPED = Shape(mask=("password",), refs=("movie_id", "of.id"), typed=True)
NARROW = Shape(mask=("password", "text"), fields=("_id", "movie_id", "text", "of"), refs=("of.id", "email"))

ROW: dict[str, Any] = {
    "_id": ObjectId("5a9427648b0beebeb69579e7"),
    "movie_id": ObjectId("573a1390f29313caabcd4323"),
    "of": {"id": Decimal128("5"), "at": datetime(2020, 1, 2, 3, 4, 5, 678000)},
    "email": "573a1390f29313caabcd4323",
    "password": "secret",
    "text": 'it\'s\n"good"',
    "list": [1, ObjectId("573a1390f29313caabcd4323"), {"d": datetime(1970, 1, 1)}],
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.integers(0, 9).map(Int64)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.binary(min_size=12, max_size=12).map(ObjectId)
    | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
    )
    | st.sampled_from(["5", "5.0", "NaN", "-Infinity", "1E+6000"]).map(Decimal128)
    | st.just(Regex("a.*", "i"))
    | st.just(DBRef("films", ObjectId("573a1390f29313caabcd4323")))
)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(names, values, max_size=4))
def test_types_restore_what_rows_are_joined_by(row: dict[str, Any]) -> None:
    again = restored(rows.loads(rows.dumps(row)), types_of(row))
    assert rows.dumps(again) == rows.dumps(row)
    for name, value in row.items():
        assert rows.ref_text(again[name]) == rows.ref_text(value)


def test_a_row_of_plain_values_needs_no_types() -> None:
    assert (
        types_of({"a": 1, "b": "573a1390f29313caabcd4323", "c": [1.5, {"d": None}], "e": True, "f": Int64(5)}) is None
    )


def changes() -> list[Change]:
    change = row_of(ROW, collection="comments", shape=TYPED, position="0000000500000001")
    return [
        change,
        change._replace(op="u", named=("text", "password"), before='{"_id":1,"text":"x"}', position="0000000600000001"),
        change._replace(op="d", after=None, types=None, refs=dict.fromkeys(TYPED.refs), position="0000000600000002"),
    ]


def test_changes_come_out_as_they_went_in() -> None:
    of = shaper(TYPED)
    given = [change._replace(named=None if change.named is None else ("text",)) for change in changes()]
    table = pa.Table.from_batches([batch_of(given, seq=7, numbers=[0, 1, 5])])
    assert [change_of(row, collection="comments", shaper=of) for row in table.to_pylist()] == given
    assert table.column("seq").to_pylist() == [7, 7, 7]
    assert table.column("n").to_pylist() == [0, 1, 5]
    assert table.column("ref.of.id").to_pylist() == ['{"$numberLong": "5"}', '{"$numberLong": "5"}', None]


def test_another_shape_finds_its_fields_and_references_and_masks_more() -> None:
    row = batch_of(changes(), seq=1, numbers=[0, 1, 2]).to_pylist()
    read = change_of(row[0], collection="comments", shaper=shaper(NARROW))
    straight = row_of(ROW, collection="comments", shape=NARROW, position="0000000500000001")
    assert read == straight
    assert read.refs["email"] == '"573a1390f29313caabcd4323"', "a text is no ObjectId"
    assert "good" not in (read.after or "")
    again = change_of(row[1], collection="comments", shaper=shaper(NARROW))
    assert (again.named, again.before) == ((), '{"_id":1}')
