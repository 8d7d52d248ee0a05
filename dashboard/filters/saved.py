"""A filter that a person keeps under a name. Pure."""

from __future__ import annotations

from typing import NamedTuple

from connectors.errors import ConfigError
from dashboard.filters.filter import parse

LONGEST_NAME = 60


class SavedFilter(NamedTuple):
    """A name of 1 to 60 characters, and a filter that parses."""

    name: str
    text: str

    @classmethod
    def checked(cls, name: str, text: str) -> SavedFilter:
        """With the name's white space in order and the filter in its one form.

        Raises `ConfigError` for a name that will not do, `FilterError` for a text.
        """
        return cls(checked_name(name), str(parse(text)))


def checked_name(name: str) -> str:
    """The name as it is kept; raises `ConfigError` for one that will not do."""
    kept = " ".join(name.split())
    if not 1 <= len(kept) <= LONGEST_NAME or not kept.isprintable():
        raise ConfigError(
            f"{kept[:80]!r} cannot be a filter's name: expected 1 to {LONGEST_NAME} characters that can be seen"
        )
    return kept
