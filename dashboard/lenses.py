"""What a viewer sees of the feed: without what their role may not see, through their filter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from connectors.passwords import Role
from connectors.stream_ids import Placed
from dashboard.hidden import hidden_paths, hide_fields
from dashboard.roles import Hidden

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
        """The entries as this viewer sees them."""
        if not self.hidden:
            return entries
        return [entry._replace(item=hide_fields(entry.item, self.hidden)) for entry in entries]


def lens_of(filter_text: str, role: Role) -> Lens:
    """What somebody of this role sees through this filter. Raises `ConfigError` when `dbwatch.toml` is wrong."""
    return Lens(filter_text.strip(), hidden_paths(role))
