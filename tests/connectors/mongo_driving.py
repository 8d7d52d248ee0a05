"""Driving the partitions of a `MongoChangeSource` as Bytewax does, and seeing what a consumer would then hold."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import pytest
from bytewax.inputs import StatefulSourcePartition
from pymongo.database import Database

from connectors.changes import Change, Shape
from connectors.dead_letters import DeadLetter, Emitted
from connectors.ending import Ending
from connectors.mongo import Gate, MongoChangeSource
from connectors.mongo_client import connect, read_position
from connectors.mongo_state import SourceProgress, SourceState
from connectors.rows import dumps, key_text

Document = dict[str, Any]
Partition = StatefulSourcePartition[Emitted, SourceState]


def at_now(uri: str, database: str, collections: Iterable[str]) -> str:
    with connect(uri) as client:
        return read_position(client, database, collections)


class Driven:
    """One job: the source and its partitions; what they emitted is in `changes`, by partition, and in `letters`."""

    def __init__(
        self,
        uri: str,
        database: str,
        shapes: dict[str, Shape] | Sequence[str],
        *,
        position: str | None = None,
        first: Sequence[str] = (),
        partitions: int = 1,
        gate: Gate | None = None,
        max_batch: int = 1000,
    ) -> None:
        self.ending = Ending()
        self.progress: list[SourceProgress] = []
        given = shapes if isinstance(shapes, dict) else {name: Shape() for name in shapes}
        self.position = position or at_now(uri, database, given)
        self.source = MongoChangeSource(
            uri=uri,
            database=database,
            shapes=given,
            snapshot_position=self.position,
            ending=self.ending,
            snapshot_first=first,
            partitions=partitions,
            gate=gate,
            on_progress=self.progress.append,
            max_batch=max_batch,
        )
        self.parts: dict[str, Partition] = {}
        self.changes: dict[str, list[Change]] = {name: [] for name in self.source.list_parts()}
        self.letters: list[DeadLetter] = []

    def __enter__(self) -> Driven:
        self.resume({})
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def resume(self, states: dict[str, SourceState]) -> None:
        for name in self.source.list_parts():
            self.parts[name] = self.source.build_part("in", name, states.get(name))

    def kill(self) -> None:
        for part in self.parts.values():
            part.close()
        self.parts = {}

    def snapshots(self) -> dict[str, SourceState]:
        """The states as a recovery store would give them back."""
        return {name: pickle.loads(pickle.dumps(part.snapshot())) for name, part in self.parts.items()}  # noqa: S301  # ours

    def step(self) -> list[Emitted]:
        """Ask each partition once."""
        emitted: list[Emitted] = []
        for name, part in self.parts.items():
            batch = list(part.next_batch())
            self.changes[name] += [item for item in batch if isinstance(item, Change)]
            self.letters += [item for item in batch if isinstance(item, DeadLetter)]
            emitted += batch
        return emitted

    def until(self, met: Callable[[], object], timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not met():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout_s} s; emitted {len(self.all)}, error {self.ending.error}")
            if not self.step():
                time.sleep(0.001)

    def until_count(self, count: int) -> list[Change]:
        self.until(lambda: sum(map(len, self.changes.values())) >= count)
        return self.all

    def until_tail(self) -> None:
        """Until every partition has read its snapshot and asked for what came after."""
        self.until(lambda: {p.partition for p in self.progress if p.phase == "tail"} == set(self.changes))

    def until_end(self, timeout_s: float = 30.0) -> None:
        """Until the source ends by itself."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.step()
            except StopIteration:
                return
            assert time.monotonic() < deadline, "the source did not end"
            time.sleep(0.001)

    @property
    def all(self) -> list[Change]:
        return [change for changes in self.changes.values() for change in changes]


def rows_held(changes: Iterable[Change]) -> dict[tuple[str, str], Any]:
    """What a consumer holds that has applied the changes."""
    held: dict[tuple[str, str], Any] = {}
    for change in changes:
        if change.after is None:
            held.pop((change.collection, change.key), None)
        else:
            held[change.collection, change.key] = orjson.loads(change.after)
    return held


def rows_in(db: Database[Document], *collections: str) -> dict[tuple[str, str], Any]:
    """What the database holds, as `rows_held` shows it."""
    return {
        (name, key_text(document["_id"])): orjson.loads(dumps(document))
        for name in collections
        for document in db[name].find()
    }


def with_images(db: Database[Document], *collections: str) -> None:
    """Make collections whose updates have pre- and post-images."""
    for collection in collections:
        db.create_collection(collection, changeStreamPreAndPostImages={"enabled": True})
