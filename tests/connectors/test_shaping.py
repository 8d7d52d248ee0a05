"""What is prepared for a collection gives what is decided anew for each row."""

from __future__ import annotations

from typing import Any

import pytest
from bson.dbref import DBRef
from hypothesis import given
from hypothesis import strategies as st

from connectors import rows
from connectors.archive.typed import types_of
from connectors.changes import Shape
from connectors.errors import BadRecord
from connectors.shaping import Shaper, shaper
from tests.connectors.test_rows import documents

names = st.sampled_from(["a", "b", "a.b", "b.c.d", "c"])
paths = st.lists(names, max_size=3, unique=True).map(tuple)
shapes = st.builds(Shape, mask=paths, fields=st.none() | paths, refs=paths, typed=st.booleans())
named_documents = documents | st.dictionaries(
    st.sampled_from(["a", "b", "c", "a.b"]), documents | st.text(), max_size=3
)


@given(shapes, named_documents)
def test_a_prepared_shape_gives_the_same_text_and_foreign_keys(shape: Shape, row: dict[str, Any]) -> None:
    prepared = Shaper(shape)
    assert _told(lambda: prepared.text(row)) == _told(lambda: rows.dumps(rows.shaped(row, shape.mask, shape.fields)))
    assert prepared.refs(row) == {path: rows.ref_text(rows.at(row, path)) for path in shape.refs}


@given(shapes, named_documents)
def test_the_types_are_those_of_the_text_where_they_are_asked_for(shape: Shape, row: dict[str, Any]) -> None:
    prepared = Shaper(shape)

    def expected() -> tuple[str, str | None]:
        types = types_of(rows.shaped(row, shape.mask, shape.fields)) if shape.typed else None
        return prepared.text(row), types

    assert _told(lambda: prepared.text_and_types(row)) == _told(expected)
    assert prepared.text_and_types(None) == (None, None)


def _told(call: Any) -> str:
    try:
        return str(call())
    except BadRecord as exc:
        return f"refused: {exc}"


@pytest.mark.parametrize(
    ("path", "kept"),
    [("a", True), ("a.x", True), ("b", True), ("b.c", True), ("b.d", False), ("m", False), ("a.m", False)],
)
def test_a_named_path_is_kept_if_anything_of_it_is(path: str, kept: bool) -> None:
    shape = Shape(mask=("m", "a.m"), fields=("a", "b.c", "m"))
    assert Shaper(shape).keeps(path) is kept
    assert Shaper(Shape()).keeps(path)


def test_without_a_row_there_is_no_foreign_key() -> None:
    assert Shaper(Shape(refs=("a", "b.c"))).refs(None) == {"a": None, "b.c": None}


def test_a_row_that_looks_like_a_reference_has_foreign_keys_too() -> None:
    row: Any = DBRef("films", 1, a="x")
    assert Shaper(Shape(refs=("a",))).refs(row) == {"a": '"x"'}


def test_a_shape_is_prepared_once() -> None:
    assert shaper(Shape(refs=("a",))) is shaper(Shape(refs=("a",)))
