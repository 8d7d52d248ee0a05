"""What is asked of tables is what a plain loop over their rows would find."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from connectors.archive.tables import holding

texts = st.lists(st.none() | st.text("ab\u00e4", max_size=5), max_size=8)


@given(texts, texts, st.text("ab\u00e4", min_size=1, max_size=3), st.integers(0, 3))
def test_a_text_is_found_in_every_row_that_has_it_and_never_across_two(
    first: list[str | None], second: list[str | None], text: str, left_out: int
) -> None:
    chunks = [pa.array(first, pa.string()).slice(left_out), pa.array(second, pa.string())]
    column = pa.chunked_array(chunks, pa.string())
    rows = [*first[left_out:], *second]
    assert holding(column, text) == [number for number, row in enumerate(rows) if row is not None and text in row]
