"""Names and texts of filters that are kept."""

from __future__ import annotations

import pytest

from connectors.errors import ConfigError
from dashboard.filters import FilterError, SavedFilter


def test_a_name_is_trimmed_and_the_filter_has_its_one_form() -> None:
    assert SavedFilter.checked("  good   films ", "imdb.rating>8 op:u") == ("good films", "imdb.rating > 8 op:updated")


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "a\u202eb"])
def test_a_name_that_nobody_could_read_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a filter's name: expected 1 to 60 characters"):
        SavedFilter.checked(name, "a")


def test_a_filter_that_does_not_parse_is_not_kept() -> None:
    with pytest.raises(FilterError):
        SavedFilter.checked("x", "(")
