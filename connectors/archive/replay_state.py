"""How far a replay has come: what its recovery snapshots hold, and where it ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from connectors.mongo_state import SourceState

IMAGE = -1
"""Stands among the partitions for the chapter's image."""

WHOLE = (1 << 31) - 1
"""Stands for the number of the last change of a commit."""


class ReplayState(NamedTuple):
    """How far the reading of a chapter has come, kept as the state of the source's first partition.

    `until` is the moment, as it was first understood. `cursors` are, by partition of the archive (`IMAGE` for its
    image), the commit of the last change that was emitted, and its number within the commit. `last` is the position of
    the last change that was emitted. `floors` are the states that the live job's partitions had in the snapshot: what
    they had emitted is in the state of the join. `position`, once the database's own log is read, says that all up to
    there was emitted, and nothing later. `read` counts the changes.
    """

    chapter: str
    until: str
    cursors: tuple[tuple[int, int, int], ...] = ()
    last: str = ""
    floors: tuple[tuple[int, SourceState], ...] = ()
    position: str = ""
    read: int = 0

    def at(self, partition: int, seq: int, n: int) -> ReplayState:
        """The last change that was emitted of a partition is this one."""
        others = tuple(cursor for cursor in self.cursors if cursor[0] != partition)
        return self._replace(cursors=(*others, (partition, seq, n)))

    @property
    def of_partitions(self) -> Mapping[int, tuple[int, int]]:
        """The cursors by partition, without the image's."""
        return {partition: (seq, n) for partition, seq, n in self.cursors if partition != IMAGE}

    @property
    def of_image(self) -> tuple[int, int] | None:
        return next(((seq, n) for partition, seq, n in self.cursors if partition == IMAGE), None)


class Handover(NamedTuple):
    """Where a replay has ended: everything up to `cut`, a cluster time, was emitted, and nothing later. A job that goes
    on after it reads `collections` in so many `partitions`.
    """

    cut: str
    partitions: int
    collections: tuple[str, ...]

    @property
    def state(self) -> SourceState:
        """What each partition of that job begins with."""
        return SourceState(self.cut, self.partitions, position=self.cut, done=self.collections)


def cut_before(position: str) -> str:
    """The last cluster time before that of a position."""
    return f"{int(position[:16], 16) - 1:016x}"


def cut_after(position: str) -> str:
    """The cluster time up to which all is included when all up to a position is; where the position only says that it
    is the last of its second, the first of the next, at which there is no change.
    """
    seconds, count = position[:8], position[8:16]
    return f"{int(seconds, 16) + 1:08x}00000000" if count == "f" * 8 else seconds + count
