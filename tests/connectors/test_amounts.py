"""Sizes and durations in words."""

from __future__ import annotations

from connectors.amounts import brief_span, counted, size_text


def test_sizes_are_in_the_unit_that_suits() -> None:
    assert [size_text(n) for n in (5, 1500, 280_000_000, 2e12)] == ["5 B", "1.5 kB", "280 MB", "2.0 TB"]


def test_durations_are_one_number_in_the_unit_that_says_it_best() -> None:
    spans = [brief_span(s) for s in (-1, 89, 90, 5399, 5400, 111_600, 172_799, 800_000)]
    assert spans == ["0 s", "89 s", "2 min", "90 min", "2 h", "31 h", "48 h", "9 days"]


def test_counts_agree_with_their_noun() -> None:
    assert [counted(1, "entry", "entries"), counted(1234, "entry", "entries"), counted(0, "row")] == [
        "1 entry",
        "1,234 entries",
        "0 rows",
    ]
