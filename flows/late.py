"""A source and a sink that are made when the engine first asks for their partitions: in a cluster, once all processes
are connected.

Only then has the first process decided what the others must know, such as the time of the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from connectors.dead_letters import Emitted, Outputs


class LateSource(FixedPartitionedSource[Emitted, Any]):
    """Partitions and guarantees are those of the source that `make` gives."""

    def __init__(self, parts: list[str], make: Callable[[], FixedPartitionedSource[Emitted, Any]]) -> None:
        self._parts = parts
        self._make = make

    @cached_property
    def _source(self) -> FixedPartitionedSource[Emitted, Any]:
        return self._make()

    def list_parts(self) -> list[str]:
        """Asked of every process, also of one that gets no partition."""
        _ = self._source
        return self._parts

    def build_part(
        self, step_id: str, for_part: str, resume_state: Any | None
    ) -> StatefulSourcePartition[Emitted, Any]:
        return self._source.build_part(step_id, for_part, resume_state)


class LateSink(FixedPartitionedSink[Outputs, Any]):
    """Partitions and guarantees are those of the sink that `make` gives."""

    def __init__(self, parts: list[str], make: Callable[[], FixedPartitionedSink[Outputs, Any]]) -> None:
        self._parts = parts
        self._make = make

    @cached_property
    def _sink(self) -> FixedPartitionedSink[Outputs, Any]:
        return self._make()

    def list_parts(self) -> list[str]:
        return self._parts

    def part_fn(self, item_key: str) -> int:
        return self._sink.part_fn(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: Any | None) -> StatefulSinkPartition[Outputs, Any]:
        return self._sink.build_part(step_id, for_part, resume_state)
