"""The archive as a source: `ReplaySource`."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import structlog
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from connectors.archive.replay_reading import Asked, Step, replayed
from connectors.archive.replay_state import Handover, ReplayState
from connectors.dead_letters import Emitted
from connectors.ending import Ending
from connectors.errors import DBWatchError, mistake
from connectors.mongo_events import position_ms
from connectors.mongo_state import SourceState, partition_name

log = structlog.get_logger()

_QUEUED_STEPS = 8


class ReplayProgress(NamedTuple):
    """Where a replay stands: how many changes were read, about how many are `left` in the archive, and the time up to
    which it has come (Unix ms, 0 at the beginning). `tail`: they come from the database's own log by now.
    """

    read: int
    left: int
    at_ms: int
    tail: bool


class Course(NamedTuple):
    """What a replay reads, the state that it begins with unless it goes on with one of its own, and the partitions that
    the recovery store knows.
    """

    asked: Asked
    begin: ReplayState
    known: Sequence[str]


class ReplaySource(FixedPartitionedSource[Emitted, Any]):
    """What a chapter of the archive holds and then, as far as it does not reach, the database's own log, up
    to a moment.

    Partitions are those of the live job whose state the recovery store holds, for the engine does not let go of one,
    and as many as a job that goes on will have; but the first reads everything, in the order of positions, and the
    others wait for it. Each change is emitted once; after a restart those after the last recovery snapshot are emitted
    again, the same and in the same order.

    It ends at the moment, or where the `ends` of the state say that it begins with, or when `ending` is requested. At
    its end the state of each partition is that with which a job's source goes on right after it: `handover` tells it
    then. For an error that waiting does not mend it calls `ending.fail` and ends.
    """

    def __init__(
        self,
        course: Course,
        *,
        ending: Ending,
        on_progress: Callable[[ReplayProgress], None] = lambda _: None,
        before_snapshot: Callable[[], None] = lambda: None,
    ) -> None:
        self._course = course
        self._ending = ending
        self._on_progress = on_progress
        self._before_snapshot = before_snapshot
        self._end = _End()

    @property
    def handover(self) -> Handover | None:
        """The end, once it has been reached."""
        return self._end.handover

    def list_parts(self) -> list[str]:
        return partitions_of(self._course)

    def build_part(
        self, step_id: str, for_part: str, resume_state: Any | None
    ) -> StatefulSourcePartition[Emitted, Any]:
        if for_part != self.list_parts()[0]:
            return _Waiting(self._end, resume_state, self._ending)
        if isinstance(resume_state, SourceState):  # it had come to its end
            self._end.handover = Handover.of_state(resume_state)
            self._end.is_over = True
            return _Waiting(self._end, resume_state, self._ending)
        state = resume_state if isinstance(resume_state, ReplayState) else self._course.begin
        return _Reading(self._course.asked, state, self._end, self._ending, self._on_progress, self._before_snapshot)


def partitions_of(course: Course) -> list[str]:
    """The names of the partitions of a replay, that which reads first."""
    wanted = [partition_name(i) for i in range(course.asked.partitions)]
    return sorted({*wanted, *course.known}, key=lambda name: (len(name), name))


class _End:
    """Shared by the partitions of one process: the end, once it is reached, and whether all is emitted."""

    def __init__(self) -> None:
        self.handover: Handover | None = None
        self.is_over = False


class _Waiting(StatefulSourcePartition[Emitted, Any]):
    """A partition that reads nothing."""

    def __init__(self, end: _End, state: Any | None, ending: Ending) -> None:
        self._end = end
        self._state = state
        self._ending = ending

    def next_batch(self) -> Sequence[Emitted]:
        if self._end.is_over or self._ending.requested:
            raise StopIteration
        return ()

    def snapshot(self) -> Any:
        return self._state if self._end.handover is None else self._end.handover.state


class _Reading(StatefulSourcePartition[Emitted, Any]):
    def __init__(
        self,
        asked: Asked,
        state: ReplayState,
        end: _End,
        ending: Ending,
        on_progress: Callable[[ReplayProgress], None],
        before_snapshot: Callable[[], None],
    ) -> None:
        self._state = state
        self._end = end
        self._ending = ending
        self._on_progress = on_progress
        self._before_snapshot = before_snapshot
        self._ahead = _Ahead(asked, state)
        if not ending.requested:
            self._ahead.start()

    def next_batch(self) -> Sequence[Emitted]:
        """What has been read; never waits for the files or the server."""
        if self._end.is_over or self._ending.requested:
            raise StopIteration
        step = self._ahead.take()
        if step is None:
            return ()
        if isinstance(step, DBWatchError):
            self._ending.fail(step)
            return ()
        self._state = step.state
        self._tell(step)
        if step.end is not None:
            self._end.handover = step.end
            self._end.is_over = True
        return step.changes

    def snapshot(self) -> Any:
        """The state after the changes last returned."""
        try:
            self._before_snapshot()
        except DBWatchError as exc:
            self._ending.abandon(exc)
        return self._state if self._end.handover is None else self._end.handover.state

    def close(self) -> None:
        self._ahead.close()

    def _tell(self, step: Step) -> None:
        state = step.state
        position = state.position or state.last
        at_ms = position_ms(position) if position else 0
        self._on_progress(ReplayProgress(state.read, step.left, at_ms, bool(state.position)))


class _Ahead:
    """The thread that reads ahead of the worker, by a few steps at most. An error is the last thing that it gives."""

    def __init__(self, asked: Asked, state: ReplayState) -> None:
        self._asked = asked
        self._begin = state
        self._steps: queue.Queue[Step | DBWatchError] = queue.Queue(maxsize=_QUEUED_STEPS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dbwatch replay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Step | DBWatchError | None:
        """The next step, None while there is none."""
        try:
            return self._steps.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            with closing(replayed(self._asked, self._begin, self._stopped)) as steps:
                for step in steps:
                    if not self._put(step):
                        return
        except DBWatchError as exc:
            self._put(exc)
        except Exception as exc:  # a mistake of ours must end the replay too, not leave it waiting
            log.exception("replay.failed")
            self._put(mistake("replay", exc))

    def _put(self, step: Step | DBWatchError) -> bool:
        """Waits while the flow is behind; whether it was put."""
        while not self._stopped.is_set():
            try:
                self._steps.put(step, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
