"""A source and a sink that are made when the engine first asks for their partitions."""

from __future__ import annotations

from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.late import LateSink, LateSource


class Source(FixedPartitionedSource[Any, Any]):
    made = 0

    def __init__(self) -> None:
        Source.made += 1

    def list_parts(self) -> list[str]:
        return ["a", "b"]

    def build_part(self, step_id: str, for_part: str, resume_state: Any | None) -> Any:
        return (step_id, for_part, resume_state)


class Sink(FixedPartitionedSink[Any, Any]):
    def list_parts(self) -> list[str]:
        return ["0", "1"]

    def part_fn(self, item_key: str) -> int:
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: Any | None) -> Any:
        return (step_id, for_part, resume_state)


def test_a_late_source_is_made_once_and_not_before_its_partitions_are_asked_for() -> None:
    Source.made = 0
    late = LateSource(["a", "b"], Source)
    assert Source.made == 0
    assert late.list_parts() == ["a", "b"]
    parts: list[StatefulSourcePartition[Any, Any]] = [late.build_part("s", part, None) for part in ("a", "b")]
    assert parts == [("s", "a", None), ("s", "b", None)]
    assert Source.made == 1


def test_a_late_sink_gives_items_to_the_partitions_of_the_one_it_makes() -> None:
    late = LateSink(["0", "1"], Sink)
    part: StatefulSinkPartition[Any, Any] = late.build_part("s", "1", "mark")
    assert part == ("s", "1", "mark")
    assert late.part_fn("1") == 1
    assert late.list_parts() == Sink().list_parts()
