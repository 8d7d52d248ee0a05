"""Fields of a document by its bytes, held against the codec."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import Any

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRecord
from connectors.raw_bson import joined, only

EVERY: dict[str, Any] = {
    "double": 1.5,
    "text": "é",
    "row": {"a": {"b": 1}},
    "array": [1, "x", {}],
    "binary": Binary(b"abc", 5),
    "old_binary": Binary(b"abc", 2),
    "id": ObjectId(),
    "bool": True,
    "date": datetime(2020, 1, 1),
    "null": None,
    "regex": Regex("a/b", re.IGNORECASE),
    "ref": DBRef("c", 1),
    "code": Code("x"),
    "scope": Code("x", {"y": 1}),
    "int": 1,
    "time": Timestamp(1, 2),
    "long": Int64(1),
    "decimal": Decimal128("1.5"),
    "least": MinKey(),
    "most": MaxKey(),
}
POINTER = b"\x0cp\0\x02\0\0\0c\0" + bytes(12)
SYMBOL = b"\x0es\0\x02\0\0\0x\0"
UNDEFINED = b"\x06u\0"


@pytest.mark.parametrize("name", EVERY)
def test_a_field_of_every_type_is_found_and_passed_by(name: str) -> None:
    raw = bson.encode(EVERY)
    assert only(raw, name) == bson.encode({name: EVERY[name]})


@pytest.mark.parametrize("element", [POINTER, SYMBOL, UNDEFINED])
def test_types_that_drivers_no_longer_write_are_passed_by(element: bytes) -> None:
    after = bson.encode({"z": 1})[4:-1]
    body = element + after
    raw = (len(body) + 5).to_bytes(4, "little") + body + b"\0"
    assert only(raw, "z") == bson.encode({"z": 1})


def test_a_field_that_is_not_there_is_left_out() -> None:
    assert bson.decode(only(bson.encode({"a": 1, "b": 2}), "b", "c")) == {"b": 2}


@given(st.binary(max_size=60))
def test_bytes_that_are_no_document_are_a_bad_record_or_passed_by(noise: bytes) -> None:
    with suppress(BadRecord):
        only(noise, "a")


def test_of_documents_joined_the_last_field_of_a_name_counts() -> None:
    parts = [bson.encode({"_id": 1, "a": 1, "part": 1}), bson.encode({"_id": 2, "b": 2, "part": 2})]
    assert bson.decode(joined(parts, without=("part",))) == {"_id": 2, "a": 1, "b": 2}
