"""Filters in addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.filters import from_query, to_query


@given(st.text().map(str.strip))
def test_an_address_brings_the_filter_back(text: str) -> None:
    assert from_query(to_query(text)) == text


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", ""),
        ("?record=0/1-0", ""),
        ("?filter=year+%3E+1990&history=x", "year > 1990"),
        ("filter=%22a%26b%22", '"a&b"'),
        ("filter=%ff", "\ufffd"),
        ("&".join(["a=1"] * 1000), ""),
    ],
)
def test_an_address_from_elsewhere_is_read(query: str, text: str) -> None:
    assert from_query(query) == text
