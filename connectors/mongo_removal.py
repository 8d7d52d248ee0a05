"""What to say when changes are lost or a watched collection is: errors that hold what the next reading needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from bson.raw_bson import RawBSONDocument

from connectors.errors import CollectionRemoved, HistoryLost
from connectors.mongo_batches import Received
from connectors.mongo_client import START_OVER, Client, decoded, oldest_position
from connectors.mongo_events import ROW_OPS, Event, position_ms, position_text, removal_text, removed_by
from connectors.mongo_state import Plan
from connectors.rows import iso_of_ms


def may_go_on(plan: Plan, batch: Sequence[Received]) -> bool:
    """Whether more removals may follow the batch at once: a dropped database removes one collection after the other."""
    return plan.partitions == 1 and bool(batch) and batch[-1]["operationType"] not in ROW_OPS


def removal(plan: Plan, event: Event, rest: Sequence[Received]) -> CollectionRemoved:
    """What a drop or rename did, and those that follow at once.

    Several partitions must all stop at the same event, and they do not see each other's rows in between.
    """
    removals = [event]
    if plan.partitions == 1:
        following = takewhile(lambda raw: raw["operationType"] not in ROW_OPS, rest)
        removals += (decoded(raw) if isinstance(raw, RawBSONDocument) else raw for raw in following)
    text = "; ".join(removal_text(one, plan.shapes) for one in removals)
    return CollectionRemoved(
        f"{plan.database}: {text}; the server reports no deletes for that; {START_OVER}",
        position=position_text(removals[-1]["clusterTime"]),
        removed=removed_by(removals, plan.shapes),
    )


def with_span(client: Client, exc: HistoryLost) -> HistoryLost:
    """The error with from when to when changes are missing, and what to do."""
    until = oldest_position(client)
    end = f"{iso_of_ms(position_ms(until))} (position {until})" if until else "now, or a part of that time"
    return HistoryLost(
        f"{exc}; missing are the changes from {iso_of_ms(position_ms(exc.since))} (position {exc.since}) to {end}; to "
        'read the collections again and write only what differs, set on_history_lost = "resnapshot" in the '
        f"configuration; {START_OVER}; a larger oplog (replSetResizeOplog) keeps more",
        since=exc.since,
        until=until,
    )
