"""A row's key as a person types it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from connectors.archive.key_forms import key_forms
from connectors.errors import ConfigError
from connectors.rows import key_text

VALUES: list[Any] = [
    ObjectId("5a9427648b0beebeb69579e7"),
    5,
    Int64(5),
    5.0,
    5.5,
    Decimal128("5.50"),
    -7,
    2**40,
    True,
    "",
    "five",
    Binary.from_uuid(UUID(int=5)),
    datetime(2026, 11, 22, tzinfo=UTC),
    {"a": 1, "b": "x"},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_key_as_a_record_has_it_is_one_meaning_of_its_text(value: Any) -> None:
    assert key_forms(key_text(value))[0] == key_text(value)


@pytest.mark.parametrize("value", [5, Int64(5), 5.0, Decimal128("5"), "5"], ids=repr)
def test_a_plain_number_may_be_of_any_type_or_text(value: Any) -> None:
    assert key_text(value) in key_forms("5")


@given(st.text(min_size=1).filter(lambda text: text.strip() == text and text[0] not in '"{['))
def test_plain_text_stands_for_itself(text: str) -> None:
    assert key_text(text) in key_forms(text)


NO_KEYS = [
    *("", "  ", '"open', "{nothing}", '{"$oid": "12"}', "[1]", '{"$numberInt": "x"}', '{"$numberDecimal": "x"}'),
    *('{"$binary": {}}', '{"a":' * 5000 + "1" + "}" * 5000),
]


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_key_is_refused_and_told_how_one_looks(text: str) -> None:
    with pytest.raises(ConfigError, match="is no key: expected 24 hex digits, plain text"):
        key_forms(text)
