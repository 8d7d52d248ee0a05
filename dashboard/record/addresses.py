"""The stable addresses of a record and of a row's history, as they stand in the page's URL. Pure.

`?record=0/1763760000000-0` is an entry of the feed's stream number 0; `?history=comments/573a…` a row of a view. In
the latter a view's name is quoted as in URLs, so that the first `/` ends it; the key is all the rest.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from connectors.errors import ConfigError

_LONGEST = 4_000
_RECORD = re.compile(r"(\d{1,4})/(\d{1,20}-\d{1,20})", re.ASCII)


class RecordAddress(NamedTuple):
    """An entry of the feed: the number of its stream and its id."""

    stream: int
    id: str

    @property
    def text(self) -> str:
        return f"{self.stream}/{self.id}"

    @property
    def query(self) -> str:
        """As the query of a URL."""
        return f"?record={quote(self.text, safe='/')}"

    @classmethod
    def from_text(cls, text: str, *, streams: int) -> RecordAddress:
        """Raises `ConfigError` for what is no address of a record, or not of a feed with so many streams."""
        found = _RECORD.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"{text[:60]!r} is no address of a record; expected a stream's number and an id: 0/1763760000000-0"
            )
        if int(found[1]) >= streams:
            of = "one stream, number 0" if streams == 1 else f"{streams} streams, numbers 0 to {streams - 1}"
            raise ConfigError(f"there is no stream {found[1]}: this feed has {of}")
        return cls(int(found[1]), found[2])


class HistoryAddress(NamedTuple):
    """A row of a view, of which all records are meant."""

    view: str
    key: str

    @property
    def text(self) -> str:
        return f"{quote(self.view, safe='')}/{self.key}"

    @property
    def query(self) -> str:
        """As the query of a URL."""
        return f"?history={quote(self.text, safe='/')}"

    @classmethod
    def from_text(cls, text: str) -> HistoryAddress:
        """Raises `ConfigError` for what is no address of a history."""
        view, slash, key = text.partition("/")
        if not view or not slash or len(text) > _LONGEST:
            raise ConfigError(
                f"{text[:60]!r} is no address of a history; expected a view and a key: movies/573a1390f29313caabcd42e8"
            )
        return cls(unquote(view, errors="replace"), key)
