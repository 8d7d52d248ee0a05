"""The database's side of a comparison: every row at one time, joined as the views say. An edge: it talks to MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument

from connectors import rows
from connectors.bounded import bounded
from connectors.changes import Change
from connectors.errors import BadRecord
from connectors.mongo_at import MongoRows, key_of
from connectors.mongo_client import decoded
from connectors.mongo_events import row_of
from flows.join.plan import LookupPlan, Plan, ViewPlan
from flows.verify.joining import candidate_of, joined_text, references
from flows.verify.judging import digest_of
from flows.verify.ledger import Ledger
from flows.views import Views

Tell = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how many."""

_BATCH = 500
_BATCH_BYTES = 4_000_000


class Database:
    """Reads the views' collections. Memory: a batch of rows; what they look up is in the ledger."""

    def __init__(self, views: Views) -> None:
        self._shapes = views.shapes
        self._plan = Plan(views)
        self._looked_up = views.looked_up
        self._collections = views.collections

    @property
    def views(self) -> Sequence[ViewPlan]:
        return self._plan.views

    def read(self, reader: MongoRows, ledger: Ledger, tell: Tell) -> None:
        """Put every row of every view into the ledger: looked-up rows first, so that the rest can be joined."""
        for collection in self._looked_up:
            plain = [view for view in self._of(collection) if not view.lookups]
            lookups = [p for p in self._plan.lookups if p.lookup.collection == collection]
            self._read(reader, ledger, collection, plain, lookups, tell)
        for collection in self._collections:
            rest = [view for view in self._of(collection) if view.lookups or collection not in self._looked_up]
            if rest:
                self._read(reader, ledger, collection, rest, [], tell)

    def rows_now(self, reader: MongoRows, view: ViewPlan, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Key and JSON text of the joined rows with these keys; what is not there, or cannot be written, is left
        out.
        """
        for batch in batches(reader.by_key(view.view.collection, [rows.key_value(key) for key in keys])):
            changes, values = self._decoded_with_values(reader, view, batch)
            found = {p.number: self._looked_up_now(reader, p, values[p.number]) for p in view.lookups}
            for change in changes:
                yield change.key, joined_text(view, change, found)

    def _of(self, collection: str) -> list[ViewPlan]:
        return [view for view in self._plan.views if view.view.collection == collection]

    def _read(
        self,
        reader: MongoRows,
        ledger: Ledger,
        collection: str,
        views: Sequence[ViewPlan],
        lookups: Sequence[LookupPlan],
        tell: Tell,
    ) -> None:
        done, total = 0, reader.count(collection)
        for batch in batches(reader.all(collection)):
            changes = list(self._changes(reader, ledger, collection, views, batch))
            for lookup in lookups:
                offered = (candidate_of(lookup, change) for change in changes)
                ledger.put_candidates(candidate for candidate in offered if candidate is not None)
            for view in views:
                found = {n: ledger.candidates(n, fks) for n, fks in references(view, changes).items()}
                ledger.put_rows((view.number, c.key, digest_of(joined_text(view, c, found))) for c in changes)
            done += len(batch)
            tell(f"reading {collection}", done, total)

    def _changes(
        self,
        reader: MongoRows,
        ledger: Ledger,
        collection: str,
        views: Sequence[ViewPlan],
        batch: Iterable[RawBSONDocument],
    ) -> Iterator[Change]:
        for raw in batch:
            try:
                yield self._change(reader, collection, decoded(raw))
            except BadRecord:
                for view in views:
                    ledger.put_unreadable(view.number, rows.key_text(key_of(raw)))

    def _change(self, reader: MongoRows, collection: str, document: dict[str, Any]) -> Change:
        return row_of(document, collection=collection, shape=self._shapes[collection], position=reader.position)

    def _decoded_with_values(
        self, reader: MongoRows, view: ViewPlan, found: Iterable[RawBSONDocument]
    ) -> tuple[list[Change], dict[int, dict[str, Any]]]:
        """The rows, and the values that they refer to, by lookup and foreign key."""
        changes: list[Change] = []
        values: dict[int, dict[str, Any]] = {p.number: {} for p in view.lookups}
        for raw in found:
            try:
                document = decoded(raw)
                change = self._change(reader, view.view.collection, document)
            except BadRecord:
                continue
            changes.append(change)
            for p in view.lookups:
                fk = change.refs.get(p.lookup.local)
                if fk is not None:
                    values[p.number][fk] = rows.at(document, p.lookup.local)
        return changes, values

    def _looked_up_now(self, reader: MongoRows, lookup: LookupPlan, values: dict[str, Any]) -> dict[str, str]:
        """What is shown of the row under each foreign key: that with the smallest key."""
        smallest: dict[str, tuple[str, str]] = {}
        collection = lookup.lookup.collection
        for raw in reader.by_value(collection, lookup.lookup.foreign, list(values.values())):
            try:
                offered = candidate_of(lookup, self._change(reader, collection, decoded(raw)))
            except BadRecord:
                continue
            if offered is not None and offered.fk in values:
                known = smallest.get(offered.fk)
                if known is None or offered.key < known[0]:
                    smallest[offered.fk] = (offered.key, offered.text)
        return {fk: text for fk, (_, text) in smallest.items()}


def batches(documents: Iterable[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    """The documents in lists that are bounded in number and in bytes, but for a single one."""
    return bounded(documents, lambda document: len(document.raw), most=_BATCH, most_size=_BATCH_BYTES)
