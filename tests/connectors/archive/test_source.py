"""A source whose changes are archived: what is emitted is there once, whatever is cut off and whenever."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive.chapter import Reached, write_chapter
from connectors.archive.source import Archived, ArchivedSource, Archiving
from connectors.dead_letters import Emitted
from connectors.ending import Ending
from tests.connectors.archive.past import chapter_of, hidden, kept, made

HOUR_S = 3600


class Counting(FixedPartitionedSource[Emitted, int]):
    """Emits made-up changes, of the number of its state and on; how many at a time, it is told."""

    def __init__(self) -> None:
        self.partitions: dict[str, _CountingPartition] = {}

    def list_parts(self) -> list[str]:
        return ["tail-0", "tail-1"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _CountingPartition:
        self.partitions[for_part] = _CountingPartition(int(for_part[-1]), resume_state or 0)
        return self.partitions[for_part]


class _CountingPartition(StatefulSourcePartition[Emitted, int]):
    def __init__(self, number: int, state: int) -> None:
        self._number = number
        self._state = state
        self.size = 1

    def next_batch(self) -> Sequence[Emitted]:
        numbers = range(self._state, self._state + self.size)
        self._state += self.size
        return [emitted(self._number, number) for number in numbers]

    def snapshot(self) -> int:
        return self._state


def emitted(partition: int, number: int) -> Emitted:
    """Of several keys and collections, and some of the next hour."""
    collection, second = ("films", "users")[number % 2], HOUR_S * (number // 5 % 3)
    return made(number, collection=collection, second=second, key=f"{partition}-{number % 3}")


def source_in(root: Path, chapter: str) -> tuple[Counting, ArchivedSource]:
    counting = Counting()
    return counting, ArchivedSource(counting, Archiving(root / chapter, reached), ending=Ending())


def reached(state: int) -> Reached:
    return Reached(f"{state:016x}", image=True)


steps = st.lists(st.sampled_from(["emit", "emit", "many", "epoch", "epoch lost", "crash"]), max_size=30)


@settings(max_examples=40)  # each starts and ends threads
@given(st.tuples(steps, steps))
def test_each_change_is_archived_once_whenever_the_job_is_killed(steps_of: tuple[list[str], list[str]]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_chapter(root, chapter_of(partitions=2))
        states: list[Any] = [None, None]
        for number, steps in enumerate(steps_of):
            states[number] = _driven(root, number, steps)
        found = kept(root / chapter_of().name)
        for number, state in enumerate(states):
            upto = 0 if state is None else state.inner
            mine = [one for one in found if one.partition == number]
            assert [one.change for one in mine] == [emitted(number, i) for i in range(upto)]
            assert max((one.seq for one in mine), default=0) == (0 if state is None else state.seq)
        assert hidden(root / chapter_of().name) == []


def _driven(root: Path, number: int, steps: list[str]) -> Archived | None:
    """One partition through these steps; a crash keeps the last state that was committed. At the end it is resumed."""
    committed: Archived | None = None
    part, counting = _resumed(root, number, committed)
    for step in steps:
        match step:
            case "emit" | "many":
                counting.size = 1 if step == "emit" else 7
                part.next_batch()
            case "epoch":
                committed = pickle.loads(pickle.dumps(part.snapshot()))  # noqa: S301  # ours
            case _:
                if step == "epoch lost":  # archived, and killed before the engine had its state on the disk
                    part.snapshot()
                part.close()
                part, counting = _resumed(root, number, committed)
    part.close()
    _resumed(root, number, committed)[0].close()
    return committed


def _resumed(
    root: Path, number: int, state: Archived | None
) -> tuple[StatefulSourcePartition[Emitted, Any], _CountingPartition]:
    counting, source = source_in(root, chapter_of().name)
    part = source.build_part("changes", f"tail-{number}", state)
    return part, counting.partitions[f"tail-{number}"]


@pytest.mark.parametrize("before", [5, Archived(5, "job-0001-0001", 3)])
def test_another_chapter_begins_with_the_first_commit_where_the_source_is(tmp_path: Path, before: Any) -> None:
    write_chapter(tmp_path, chapter_of("job-0001-0002"))
    _, source = source_in(tmp_path, "job-0001-0002")
    part = source.build_part("changes", "tail-0", before)
    part.next_batch()
    assert part.snapshot() == Archived(6, "job-0001-0002", 1)
    part.close()
    assert [one.change for one in kept(tmp_path / "job-0001-0002")] == [emitted(0, 5)]


@pytest.mark.parametrize("before", [None, 5, Archived(5, "job-0001-0001", 3)])
def test_switched_off_it_is_the_source_itself(before: Any) -> None:
    counting = Counting()
    source = ArchivedSource(counting, None, ending=Ending())
    part = source.build_part("changes", "tail-0", before)
    assert part is counting.partitions["tail-0"]
    assert part.snapshot() == (0 if before is None else 5)
    assert source.list_parts() == counting.list_parts()
