"""Which records go into a stream, and how they read there, after what it holds and what the feed said before. Pure; the
rows that it holds records against are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from connectors.once import Standing, Tail, following, reach
from connectors.records import Record
from connectors.rereading import FeedBefore, as_differing


class Deduplication(NamedTuple):
    """`row_at` gives the row that an entry of the stream holds. Of a row that the stream says nothing of, no record is
    wanted whose reach is below the `floor`.
    """

    row_at: Callable[[str], str | None]
    floor: str = ""

    def wanted(self, tail: Tail, records: Sequence[Record], *, before: FeedBefore | None = None) -> list[Record]:
        """The records that go in after `tail` or, where that says nothing of them, after what the feed said before."""
        if tail.passed and before is None and not self.floor:
            return list(records)
        out: list[Record] = []
        for record in records:
            is_wanted, standing = tail.admit(record)
            if not is_wanted:
                continue
            if standing is not None:
                out.append(self._following(record, standing))
            elif before is not None:
                out += self._differing(before, record)
            elif reach(record) >= self.floor:
                out.append(record)
        return out

    def _differing(self, before: FeedBefore, record: Record) -> list[Record]:
        """The record, if it says anything new, as it must read after what the feed said of its row."""
        is_wanted, said = before.admit(record)
        if not is_wanted:
            return []
        return [record if said is None else as_differing(record, self.row_at(said.entry_id))]

    def _following(self, record: Record, standing: Standing) -> Record:
        if not record.versions.lookups:
            return record
        return following(record, standing.versions, self.row_at(standing.entry_id))
