"""Rows that are read again for a dead letter, each in a place of its own among the changes.

A row is read as it was at a cluster time X of which it is certain that all changes up to it have been emitted, and none
later. So it is a change at X, after all others there: its position is X with a suffix that sorts after any other. X is
kept before the row is emitted, and what is made again after a crash has the same place.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from connectors import rows
from connectors.changes import RETRIED, Change
from connectors.dead_letters import DeadLetter, Emitted, error_text, event_text
from connectors.mongo_batches import Received
from connectors.mongo_client import RAW, SNAPSHOT_GONE, Client, decoded
from connectors.mongo_events import before_position, position_ms, position_time, quiet_position, row_of, share
from connectors.mongo_events import token_position as position_of
from connectors.mongo_state import Plan, SourceState
from connectors.retries import Retry

_POLL_S = 0.5


class RetryTurns:
    """Which of the wanted retries are this partition's, and when it is their turn. Asks for them every half second."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self._client = client
        self._plan = plan
        self._asked_at_s = float("-inf")
        self._wanted: Sequence[Retry] = ()
        self._ours: dict[str, bool] = {}

    def due(
        self, state: SourceState, batch: Sequence[Received], token: RawBSONDocument | None
    ) -> tuple[SourceState, list[Retry]]:
        """The retries that have a place, in order, and the state without those that nobody asks for any more.

        `token` is the one after the batch, None when an event is not there whole.
        """
        if self._plan.retries is None or time.monotonic() - self._asked_at_s < _POLL_S:
            return state, [r for r in self._wanted if r.position is not None and r.id not in state.retried]
        self._asked_at_s = time.monotonic()
        wanted = self._plan.retries.wanted()
        if wanted is None:
            return state, []
        if state.retried:
            names = {retry.id for retry in wanted}
            state = state._replace(retried=tuple(name for name in state.retried if name in names))
        free = _free_position(state, batch, token)
        mine = [r for r in wanted if r.id not in state.retried and self._is_ours(r)]
        placed = [self._placed(retry, state, free) for retry in mine]
        self._wanted = sorted((r for r in placed if r is not None), key=lambda r: r.position or "")
        return state, list(self._wanted)

    def _placed(self, retry: Retry, state: SourceState, free: str | None) -> Retry | None:
        """The retry with its place, if it has one or there is one now."""
        if retry.position is not None and retry.position >= state.snapshot_position[: len(retry.position)]:
            return retry
        retries = self._plan.retries
        if free is None or retries is None:
            return None
        claimed = retry._replace(position=free)
        return claimed if retries.claim(claimed) else None

    def _is_ours(self, retry: Retry) -> bool:
        if retry.collection not in self._plan.shapes:
            return False
        if self._plan.partitions == 1:
            return True
        if retry.id not in self._ours:
            one: list[Mapping[str, Any]] = [
                {"$documents": [{"key": {"$literal": rows.key_value(retry.key)}}]},
                {"$match": share("key", partition=self._plan.partition, partitions=self._plan.partitions)},
            ]
            command: dict[str, Any] = {"aggregate": 1, "pipeline": one, "cursor": {}}
            found = self._client[self._plan.database].command(command, codec_options=RAW)["cursor"]["firstBatch"]
            self._ours[retry.id] = bool(list(found))
        return self._ours[retry.id]


def _free_position(state: SourceState, batch: Sequence[Received], token: RawBSONDocument | None) -> str | None:
    """A time up to which everything has been emitted and nothing later, None when there is none now."""
    if batch:
        first = position_of(batch[0]["_id"])
        if first is None or first <= state.position[: len(first)]:
            return None
        free = before_position(first)
    else:
        free = None if token is None else quiet_position(token)
    return free if free is not None and free >= state.snapshot_position[: len(free)] else None


def pieces(
    batch: Sequence[Received], token: RawBSONDocument | None, due: Sequence[Retry]
) -> Iterator[tuple[Sequence[Received], Retry | None]]:
    """The batch, cut where a retry has its place, each piece with the retry after it; the last one has none."""
    start = 0
    if due:
        times = [position_of(event["_id"]) or "" for event in batch]
        end = "" if token is None else position_of(token) or ""
        for retry in due:
            position = retry.position or ""
            index = bisect_right(times, position)
            if "" in times or (index == len(batch) and end <= position):
                break
            yield batch[start:index], retry
            start = index
    yield batch[start:], None


def read_again(client: Client, plan: Plan, retry: Retry) -> Emitted:
    """The row as it was at the retry's place (as it is now, when the server has forgotten that time): an `r`, or a `d`
    when it is not there.
    """
    place = retry.position or ""
    position, shape = place + RETRIED, plan.shapes[retry.collection]
    find = {"find": retry.collection, "filter": {"_id": {"$eq": rows.key_value(retry.key)}}, "singleBatch": True}
    try:
        then = {"level": "snapshot", "atClusterTime": position_time(place)}
        found = _first(client, plan, {**find, "readConcern": then})
    except OperationFailure as exc:
        if exc.code not in SNAPSHOT_GONE:
            raise
        now = {"level": "majority", "afterClusterTime": position_time(place)}
        found = _first(client, plan, {**find, "readConcern": now})
    if found is None:
        refs = dict.fromkeys(shape.refs)
        return Change(retry.collection, retry.key, "d", position, position_ms(place), None, None, None, refs)
    try:
        return row_of(decoded(found), collection=retry.collection, shape=shape, position=position)
    except Exception as exc:  # it is what it was: a dead letter, now a new one
        event = event_text({"operationType": "retry", "ns": {"db": plan.database, "coll": retry.collection}})
        return DeadLetter(
            "read", retry.collection, retry.key, "r", position, position_ms(place), error_text(exc), event
        )


def _first(client: Client, plan: Plan, find: Mapping[str, Any]) -> RawBSONDocument | None:
    with client[plan.database].cursor_command(dict(find), codec_options=RAW) as cursor:
        return next(iter(cursor), None)
