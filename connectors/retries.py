"""Rows that are to be read again: asked for by whoever mends dead letters, done by the source. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import orjson


class Retry(NamedTuple):
    """The row `key` of `collection` is to be read again, for the dead letter `id`. `position` is where it has its place
    among the changes, once that is decided: whenever it is read again, it has the same.
    """

    id: str
    collection: str
    key: str
    position: str | None = None

    def to_json(self) -> str:
        return orjson.dumps({"collection": self.collection, "key": self.key, "position": self.position}).decode()

    @classmethod
    def from_json(cls, letter_id: str, text: str) -> Retry | None:
        """None when the text is not of this form."""
        try:
            value = orjson.loads(text)
            return cls(letter_id, str(value["collection"]), str(value["key"]), value.get("position"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class Retries(Protocol):
    """What a source asks for and tells; from any thread. While it cannot be asked, nothing is wanted."""

    def wanted(self) -> Sequence[Retry] | None:
        """All requests, None when it cannot be told now."""
        ...

    def claim(self, retry: Retry) -> bool:
        """Keep the retry's position; whether that was done."""
        ...

    def done(self, letter_ids: Sequence[str]) -> bool:
        """These are certain to be kept; whether that could be told."""
        ...
