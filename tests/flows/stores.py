"""Recovery stores that the engine writes, by a flow of the job's name whose source keeps the job's own states.

As a program, `python -m tests.flows.stores FOLDER WORKERS`, it counts until it is killed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import AbortExecution, FixedPartitionedSource, StatefulSourcePartition
from bytewax.recovery import RecoveryConfig
from bytewax.testing import TestingSink, cluster_main  # pyright: ignore[reportUnknownVariableType]

from connectors.mongo_state import SourceState
from flows.recovery import FLOW_ID

START = "6561f0c000000001"
ITEMS = 10

Numbered = tuple[str, int]


def state_at(count: int, partitions: int) -> SourceState:
    return SourceState(START, partitions, position=f"6561f0c0{count:08x}", done=("movies",), token=b"\0", read=count)


class _Count(StatefulSourcePartition[Numbered, SourceState]):
    def __init__(self, state: SourceState | None, *, partitions: int, upto: int, abort: bool) -> None:
        self._read = 0 if state is None else state.read
        self._upto = self._read + upto
        self._partitions = partitions
        self._abort = abort

    def next_batch(self) -> list[Numbered]:
        if self._read == self._upto:
            raise AbortExecution if self._abort else StopIteration
        self._read += 1
        return [(str(self._read % 7), self._read)]

    def snapshot(self) -> SourceState:
        return state_at(self._read, self._partitions)


class CountSource(FixedPartitionedSource[Numbered, SourceState]):
    """`resumed` is filled with what the engine gives back to each partition."""

    def __init__(self, partitions: int, *, upto: int = ITEMS, abort: bool = False) -> None:
        self.resumed: dict[str, Any] = {}
        self._names = [f"tail-{number}" for number in range(partitions)]
        self._upto = upto
        self._abort = abort

    def list_parts(self) -> list[str]:
        return self._names

    def build_part(self, step_id: str, for_part: str, resume_state: SourceState | None) -> _Count:
        if resume_state is not None:
            self.resumed[for_part] = resume_state
        aborts = self._abort and for_part == self._names[0]
        return _Count(resume_state, partitions=len(self._names), upto=self._upto, abort=aborts)


def write(
    folder: Path,
    *,
    sources: int = 2,
    workers: int = 1,
    items: int = ITEMS,
    abort: bool = False,
    epoch_s: float = 0.0,
    backup_s: float = 60.0,
    flow_id: str = FLOW_ID,
) -> dict[str, Any]:
    """Let so many partitions read so many items each, an epoch an item; gives back the states they resumed with.

    Only one worker can abort: others would wait for it.
    """
    source = CountSource(sources, upto=items, abort=abort)
    flow = Dataflow(flow_id)
    counted = op.stateful_map("join", op.input("changes", flow, source), _sum)
    op.output("feed", counted, TestingSink([]))
    recovery = RecoveryConfig(str(folder), timedelta(seconds=backup_s))
    cluster_main(
        flow,
        [],
        0,
        worker_count_per_proc=workers,
        epoch_interval=timedelta(seconds=epoch_s),
        recovery_config=recovery,
    )
    return source.resumed


def _sum(state: int | None, number: int) -> tuple[int, int]:
    return (state or 0) + number, number


def main(args: Sequence[str]) -> None:
    folder, workers = Path(args[0]), int(args[1])
    write(folder, workers=workers, items=1_000_000_000, epoch_s=0.005, backup_s=0.02)


if __name__ == "__main__":
    main(sys.argv[1:])
