"""A source whose changes go into the archive: `ArchivedSource`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from connectors.archive.chapter import Reached
from connectors.archive.patience import OnHeld
from connectors.dead_letters import Emitted
from connectors.ending import Ending
from connectors.errors import DBWatchError

if TYPE_CHECKING:
    from connectors.archive.writer import PartitionWriter


class Archived(NamedTuple):
    """How far one partition has come: the state of the source itself, and the commit of a chapter that is last in the
    archive then. What a recovery snapshot holds: a later version must be able to read it.
    """

    inner: Any
    chapter: str
    seq: int


class Archiving(NamedTuple):
    """How a source is archived: into the folder of which chapter; how far a state of the source has come; whom to tell
    that the disk does not take it; and what is asked, in a thread of the writer's, before files get their names.
    """

    chapter: Path
    reached: Callable[[Any], Reached]
    on_held: OnHeld = lambda _: None
    guard: Callable[[], None] = lambda: None


class ArchivedSource(FixedPartitionedSource[Emitted, Any]):
    """The partitions of another source, each of whose changes is in the archive before the epoch that holds it commits.

    Guarantee: after a crash each change is there once, for what the recovery snapshot does not know is taken back, and
    emitted again. In what order a partition emitted them can be told. Dead letters are not archived.

    The state is `Archived`. A state of the source itself, or of another chapter, begins the chapter. With `archiving`
    None nothing is archived: partitions and states are those of the source itself, also where it was archived before.
    """

    def __init__(
        self, source: FixedPartitionedSource[Emitted, Any], archiving: Archiving | None, *, ending: Ending
    ) -> None:
        self._source = source
        self._archiving = archiving
        self._ending = ending
        self._parts = source.list_parts()

    def list_parts(self) -> list[str]:
        """Those of the source; a partition's place among them is its number in the archive."""
        return self._parts

    def build_part(
        self, step_id: str, for_part: str, resume_state: Any | None
    ) -> StatefulSourcePartition[Emitted, Any]:
        inner, chapter, seq = resume_state if isinstance(resume_state, Archived) else (resume_state, "", 0)
        archiving = self._archiving
        if archiving is None:
            return self._source.build_part(step_id, for_part, inner)
        # Imported here: pyarrow takes memory, and begins threads, which a job without an archive can do without.
        from connectors.archive.writer import PartitionWriter

        writer = PartitionWriter(
            archiving.chapter,
            self._parts.index(for_part),
            ending=self._ending,
            on_held=archiving.on_held,
            guard=archiving.guard,
        )
        try:
            goes_on = chapter == archiving.chapter.name
            writer.start(seq if goes_on else 0, archiving.reached(inner) if goes_on else None)
        except DBWatchError as exc:
            self._ending.abandon(exc)
        return _ArchivedPartition(self._source.build_part(step_id, for_part, inner), writer, archiving, self._ending)


class _ArchivedPartition(StatefulSourcePartition[Emitted, Archived]):
    def __init__(
        self,
        inner: StatefulSourcePartition[Emitted, Any],
        writer: PartitionWriter,
        archiving: Archiving,
        ending: Ending,
    ) -> None:
        self._inner = inner
        self._writer = writer
        self._archiving = archiving
        self._ending = ending

    def next_batch(self) -> Sequence[Emitted]:
        """What the source has; nothing while the archive is too far behind."""
        if self._writer.is_full and not self._ending.requested:
            return ()
        batch = self._inner.next_batch()
        emitted = batch if isinstance(batch, list) else list(batch)
        if emitted:
            self._writer.add(emitted)
        return emitted

    def next_awake(self) -> datetime | None:
        return self._inner.next_awake()

    def snapshot(self) -> Archived:
        """The state after what was last returned, all of which is in the archive now."""
        inner = self._inner.snapshot()
        return Archived(inner, self._archiving.chapter.name, self._writer.commit(self._archiving.reached(inner)))

    def close(self) -> None:
        self._inner.close()
        self._writer.close()
