"""Histories of comments, movies and users as an archive holds them, and what the live join makes of them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from connectors.archive.chapter import write_chapter
from connectors.changes import Change
from connectors.records import Record
from connectors.views import View
from flows.join.plan import Plan
from flows.join.stages import shards_of, stages_of
from tests.connectors.archive.archives import BASE_S, Archive
from tests.flows.histories import VIEWS, Row

PLAN = Plan(VIEWS)
COMMENTS: View = next(view for view in VIEWS.views if view.lookups)
ROWS_BY_COLLECTION = dict[str, dict[str, Row]]


def in_seconds(changes: Sequence[Change]) -> list[Change]:
    """The same changes, one a second from `BASE_S` on, with positions as a source has them."""
    return [change._replace(position=_position(change.position), ts_ms=_ms(change.position)) for change in changes]


def _position(short: str) -> str:
    return f"{BASE_S + int(short[:8], 16):08x}{1:08x}{short[8:]}"


def _ms(short: str) -> int:
    return (BASE_S + int(short[:8], 16)) * 1000


def rows_of(changes: Sequence[Change]) -> ROWS_BY_COLLECTION:
    """The rows after these changes, by collection and plain key."""
    rows: ROWS_BY_COLLECTION = {"comments": {}, "movies": {}, "users": {}}
    for change in changes:
        key = json.loads(change.key)
        if change.op == "d":
            rows[change.collection].pop(key, None)
        elif change.after is not None:
            rows[change.collection][key] = json.loads(change.after)
    return rows


def read_rows(changes: Sequence[Change], position: str) -> list[Change]:
    """What a reading of the rows at a position finds, after these changes: the looked-up collections' first."""
    last = {(change.collection, change.key): change for change in changes}
    order = ["movies", "users", "comments"]
    found = sorted(last.values(), key=lambda change: (order.index(change.collection), change.key))
    ts_ms = int(position[:8], 16) * 1000
    return [
        change._replace(op="r", position=position, ts_ms=ts_ms, before=None, named=None)
        for change in found
        if change.op != "d" and change.after is not None
    ]


def live(changes: Sequence[Change]) -> list[Record]:
    """The records of comments that the live join makes, each change followed to its end before the next."""
    stages = stages_of(PLAN)
    kinds = shards_of(PLAN)
    records: list[Record] = []
    for change in changes:
        todo = deque(PLAN.route(change))
        while todo:
            number, shard, message = todo.popleft()
            if isinstance(message, Record):
                records.append(message)
                continue
            out: list[Any] = []
            stages[number].apply(kinds[stages[number].kind].get(shard), message, out)
            todo.extend(out)
    return [record for record in records if record.view == "comments"]


def chapter(root: Path, *, begin: str, number: int = 1, partitions: int = 1) -> Archive:
    """A chapter whose job had these views."""
    archive = Archive(root, begin=begin, number=number, partitions=partitions)
    archive.chapter = archive.chapter._replace(**json.loads(json.dumps(asdict(VIEWS))), created_ms=number)
    write_chapter(root, archive.chapter)
    return archive


def record_in_commits(archive: Archive, changes: Sequence[Change], sizes: Sequence[int]) -> None:
    """Write the changes in commits of at most so many, each to the partition of its key."""
    at, partitions = 0, len(archive.commits)
    for size in [*sizes, len(changes)]:
        some = changes[at : at + size]
        at += len(some)
        for partition in range(partitions):
            of = [change for change in some if sum(change.key.encode()) % partitions == partition]
            if of:
                archive.commit(of, partition=partition)
