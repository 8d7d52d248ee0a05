"""What a row that was read again for a dead letter is worth: written only if the feed does not say the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.changes import RETRIED
from connectors.records import Record
from connectors.rows import canonical_dumps, loads


def places_of_retried(records: Sequence[Record]) -> list[int]:
    """Where among the records rows stand that were read again (and are not told of a looked-up row)."""
    return [i for i, record in enumerate(records) if record.position.endswith(RETRIED) and record.cause is None]


def after_last(record: Record, last: Record | None) -> Record | None:
    """The record as it must stand after the last one of its key (None: there is none), or None when that one says
    the same or more.

    A view with lookups gives a row that it knows already with the version that it had, so that the order of versions
    decides: the feed may lack that version. Without lookups the rows are compared.
    """
    if last is None:
        return record
    if not record.versions.is_forward_of(last.versions):
        return None
    if record.op == "d":
        return None if last.op == "d" else record._replace(before=last.after)
    if not record.versions.lookups and _same(record.after, last.after):
        return None
    return record._replace(before=last.after)


def _same(after: str | None, last: str | None) -> bool:
    return after == last or (
        after is not None and last is not None and canonical_dumps(loads(after)) == canonical_dumps(loads(last))
    )
