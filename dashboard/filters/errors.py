"""What is said of a filter that cannot be read."""

from __future__ import annotations

from connectors.errors import ConfigError


class FilterError(ConfigError):
    """A filter does not parse: at the character `at` (from 0) `found` stands where `expected` should."""

    def __init__(self, at: int, expected: str, found: str) -> None:
        super().__init__(f"filter, column {at + 1}: expected {expected}, found {found}")
        self.at = at
        self.expected = expected
        self.found = found
