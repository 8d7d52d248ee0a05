"""Rows of the database as the feed must have them: the views' batch join, a batch of rows at a time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.changes import Change
from connectors.errors import BadRecord
from connectors.joined_rows import NO_REFERENCE, Answer, joined
from flows.join.plan import LookupPlan, ViewPlan
from flows.verify.ledger import Candidate

Found = Mapping[int, Mapping[str, str]]
"""By the number of a lookup, what is shown of the row under each foreign key that has one."""


def candidate_of(lookup: LookupPlan, change: Change) -> Candidate | None:
    """What a row of the looked-up collection offers to those that refer to it."""
    fk = lookup.lookup.value_of(change)
    if fk is None or change.after is None:
        return None
    return Candidate(lookup.number, fk, change.key, lookup.chosen(change.after))


def references(view: ViewPlan, changes: Sequence[Change]) -> dict[int, list[str]]:
    """The foreign keys of the rows, by the number of the lookup."""
    found = {p.number: {change.refs.get(p.lookup.local) for change in changes} for p in view.lookups}
    return {number: [fk for fk in fks if fk is not None] for number, fks in found.items()}


def joined_text(view: ViewPlan, change: Change, found: Found) -> str:
    """The row's JSON text, joined with what is found."""
    row = view.row(change.after)
    if row is None:
        raise BadRecord(f"{change.collection} {change.key}: no row to join")
    if not view.lookups:
        return row
    return joined(row, view.joints, [_answer(p, change, found) for p in view.lookups])


def _answer(lookup: LookupPlan, change: Change, found: Found) -> Answer:
    fk = change.refs.get(lookup.lookup.local)
    text = None if fk is None else found[lookup.number].get(fk)
    return NO_REFERENCE if text is None else (0, fk, None, text)
