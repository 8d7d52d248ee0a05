"""The rows that a feed has and the snapshot has not, as deletes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import structlog

from connectors import rows
from connectors.changes import Change
from connectors.errors import BadRecord
from connectors.mongo_client import RAW, Client, decoded, translated
from connectors.mongo_events import position_ms, position_time
from connectors.mongo_state import Item, Plan, RowName, SourceState, finished, snapshot_progress

log = structlog.get_logger()


def read_gone(client: Client, plan: Plan, state: SourceState, collection: str) -> Iterator[Item]:
    """A `d` at the time of the snapshot for each row of `plan.known` that is not in it; `collection` stands for them.

    It begins anew after an interruption: whoever was told of a row already leaves it out. Raises our errors.
    """
    known = sorted(set(plan.known() if plan.known else ()))
    state = state._replace(collection=collection, last_id=None, read=0)
    for at in range(0, len(known), plan.max_batch):
        batch = known[at : at + plan.max_batch]
        changes = [
            change
            for name, group in groupby(batch, lambda row: row[0])
            for change in _gone(client, plan, state, name, list(group))
        ]
        state = state._replace(read=state.read + len(batch))
        yield Item(changes, state, snapshot_progress(plan, state, len(known)))
    log.info("snapshot.deletions_read", partition=plan.name, known=len(known))
    yield finished(plan, state, collection, expected=len(known))


def _gone(client: Client, plan: Plan, state: SourceState, collection: str, known: Sequence[RowName]) -> list[Change]:
    there: set[str] = (
        set() if collection in plan.absent else _there(client, plan, state, collection, [key for _, key in known])
    )
    refs = dict.fromkeys(plan.shapes[collection].refs)
    position = state.snapshot_position
    return [
        Change(collection, key, "d", position, position_ms(position), None, None, None, refs)
        for _, key in known
        if key not in there
    ]


def _there(client: Client, plan: Plan, state: SourceState, collection: str, keys: Sequence[str]) -> set[str]:
    """Which of the rows are in the snapshot, or may be."""
    concern = {"level": "snapshot", "atClusterTime": position_time(state.snapshot_position)}
    ids: list[Any] = []
    unreadable: set[str] = set()
    for key in keys:
        try:
            ids.append(rows.key_value(key))
        except BadRecord as exc:
            unreadable.add(key)
            log.warning("snapshot.key_unreadable", collection=collection, reason=str(exc))
    find = {"find": collection, "filter": {"_id": {"$in": ids}}, "projection": {"_id": 1}, "readConcern": concern}
    doing = f"{plan.name}: deleted rows of {plan.database}.{collection}"
    with translated(doing, position=state.snapshot_position):
        cursor = client[plan.database].cursor_command(find, codec_options=RAW)
        with cursor:
            return unreadable | {rows.key_text(decoded(row)["_id"]) for row in cursor}
