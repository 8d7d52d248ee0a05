"""How far a replay has come: what its recovery snapshots hold, and where it ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from connectors.archive.layout import IMAGE
from connectors.mongo_events import place_of
from connectors.mongo_state import SourceState


class Place(NamedTuple):
    """A change in a partition of the archive (or in its image, then only the numbers count): its commit and number,
    and what it is the change of. A restart of the job may write it anew, in another commit.
    """

    partition: int
    seq: int
    n: int
    position: str = ""
    collection: str = ""
    key: str = ""


class Floor(NamedTuple):
    """Where a partition of the live job stood in a snapshot: the last commit of the archive, and the source's state."""

    partition: int
    seq: int
    state: SourceState


class ReplayState(NamedTuple):
    """How far the reading of a chapter has come, kept as the state of the source's first partition.

    `until` is the moment, as it was first understood. `begin` is where the chapter began then, empty when the replay
    goes on after a snapshot: then `floors` tell where that was taken; what was emitted before is in the state of the
    join. `places` are the last changes that were emitted of each partition, and of the image. `position`, once
    something else than the archive's files tells it, says that all up to there was emitted, and nothing later; `last`
    is that of the last change. `read` counts the changes. `ends` is where each partition ends, as it stood in another
    snapshot, of a replay that ends there and not at the moment.
    """

    chapter: str
    until: str
    begin: str = ""
    places: tuple[Place, ...] = ()
    last: str = ""
    floors: tuple[Floor, ...] = ()
    position: str = ""
    read: int = 0
    ends: tuple[Floor, ...] = ()

    def at(self, place: Place, *, read: int) -> ReplayState:
        """After so many more changes, the last of a partition being this one."""
        others = tuple(other for other in self.places if other.partition != place.partition)
        return self._replace(places=(*others, place), last=max(self.last, place.position), read=self.read + read)

    @property
    def of_partitions(self) -> tuple[Place, ...]:
        return tuple(place for place in self.places if place.partition != IMAGE)

    @property
    def reached(self) -> str:
        """The position that it has come to: that of a snapshot is where the first of its partitions stood."""
        floors = (floor.state.position for floor in self.floors)
        return max(self.position, self.last) or self.begin or min(floors, default="")

    @property
    def of_image(self) -> Place | None:
        return next((place for place in self.places if place.partition == IMAGE), None)


class Handover(NamedTuple):
    """Where a replay has ended: everything up to `cut`, a cluster time, was emitted, and nothing later; where it ended
    with a snapshot of a job, also what its partitions had emitted of their rows, each up to its place in `former`.
    A job that goes on after it reads `collections` in so many `partitions`.
    """

    cut: str
    partitions: int
    collections: tuple[str, ...]
    former: tuple[str, ...] = ()

    @classmethod
    def of_state(cls, state: SourceState) -> Handover:
        """That of a replay which has left this state."""
        return cls(state.snapshot_position, state.partitions, state.done, state.former)

    @property
    def state(self) -> SourceState:
        """What each partition of that job begins with."""
        return SourceState(self.cut, self.partitions, position=self.cut, done=self.collections, former=self.former)


def former_of(ends: Sequence[Floor]) -> tuple[str, ...]:
    """How far each partition had come, by their numbers."""
    by_number = sorted(ends, key=lambda end: end.partition)
    return tuple(place_of(end.state.token, end.state.snapshot_position) for end in by_number)


def cut_before(position: str) -> str:
    """The last cluster time before that of a position."""
    return f"{int(position[:16], 16) - 1:016x}"


def cut_after(position: str) -> str:
    """The cluster time up to which all is included when all up to a position is; where the position only says that it
    is the last of its second, the first of the next, at which there is no change.
    """
    seconds, count = position[:8], position[8:16]
    return f"{int(seconds, 16) + 1:08x}00000000" if count == "f" * 8 else seconds + count
