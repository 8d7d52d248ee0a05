"""What a viewer sees of the feed: all of it, or what a filter lets through. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from connectors.stream_ids import Placed

Entry = Placed[Mapping[str, str]]


class Lens(NamedTuple):
    """Equal lenses show the same, so that viewers who have them share the work."""

    filter: str = ""

    @property
    def is_clear(self) -> bool:
        """Whether every entry is seen as it is."""
        return not self.filter

    def seen(self, entry: Entry) -> Entry | None:
        """The entry as this viewer sees it; None when the filter leaves it out."""
        return entry


def lens_of(filter_text: str) -> Lens | str:
    """The lens of a filter, or what is wrong with its text."""
    return Lens(filter_text.strip())
