"""What a viewer sees of the feed: without what their role may not see, through their filter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from connectors.passwords import Role
from connectors.stream_ids import Placed
from dashboard.access.hidden import hidden_paths, hide_fields
from dashboard.access.roles import Hidden
from dashboard.filters import parse

Entry = Placed[Mapping[str, str]]


class Lens(NamedTuple):
    """Equal lenses show the same, so that viewers who have them share the work.

    What is hidden is taken out first: a filter that saw it would tell what it is.
    """

    filter: str = ""
    hidden: frozenset[Hidden] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether no entry is left out."""
        return not self.filter

    def seen(self, entries: list[Entry]) -> list[Entry]:
        """The entries that this viewer sees, as they see them."""
        if self.hidden:
            entries = [entry._replace(item=hide_fields(entry.item, self.hidden)) for entry in entries]
        if not self.filter:
            return entries
        asked = _parsed(self.filter)
        return [entry for entry in entries if asked.matches_fields(entry.item)]


def lens_of(filter_text: str, role: Role) -> Lens:
    """What somebody of this role sees through this filter, whose text is then in its one form.

    Raises `FilterError` when it does not parse, `ConfigError` when `dbwatch.toml` is wrong.
    """
    return Lens(str(parse(filter_text)), hidden_paths(role))


_parsed = lru_cache(maxsize=256)(parse)
