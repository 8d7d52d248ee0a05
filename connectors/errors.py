"""What can go wrong, and what is to be done about it.

    DBWatchError
    ├── ConfigError       what was asked for cannot be done: say what was found, expected, and to do; exit 2
    ├── HistoryLost       the source no longer holds the changes after our position: stop, say how to go on; exit 2
    ├── SnapshotLost      the source cannot read at the snapshot's time any more: read again at another; exit 2 if not
    ├── CollectionRemoved a watched collection was dropped or renamed: read again as of then; exit 2 if not
    ├── StreamLost        the stream ends before the checkpoint's entry: stop, say how to go on; exit 2
    │   ├── TailLost      it lost entries while the job runs: begin anew from the checkpoint, which finds out the rest
    │   └── LockLost      Redis forgot that this job writes: likewise
    ├── ArchiveLost       the archive's folder is gone: begin anew from the checkpoint, in another chapter
    ├── Fenced            another job has taken the writer's lock: end at once, write nothing more; exit 2
    ├── ClockSetBack      this machine's clock was set back: begin the run anew, from its last recovery snapshot
    ├── TransientError    a server is away or refuses for now: retry with backoff, hold the flow back
    ├── BadRecord         one event cannot be decoded, joined or written: it becomes a dead letter; exit 3
    ├── TooManyLetters    more dead letters within a minute than is allowed: stop; exit 3
    ├── Forbidden         a role may not do this: say so to who asked, do nothing; exit 2
    ├── PeerEnded         another process of the same job has ended, so this one must: its error and exit status
    └── Stopped           a stop was asked for while something waited: leave without a word

Each driver's errors are translated at one boundary (`mongo.translated`, `redis_streams.translated`), `from exc`.
"""

from __future__ import annotations


class DBWatchError(Exception):
    """Base of all; its text is one line for a person: what failed, where, expected against found, what to do."""

    exit_status = 1


class ConfigError(DBWatchError):
    """A setting, a file, a server or a folder is not as it must be."""

    exit_status = 2


class HistoryLost(DBWatchError):
    """The source's log no longer reaches back to the position to resume from. `since` is that position, `until` the
    oldest one that the log still has, empty when it cannot be told.
    """

    exit_status = 2

    def __init__(self, text: str, *, since: str = "", until: str = "") -> None:
        super().__init__(text)
        self.since = since
        self.until = until


class SnapshotLost(DBWatchError):
    """The collections can no longer be read at the snapshot's time, because one was made or altered, or the
    server started again, since.
    """

    exit_status = 2


class CollectionRemoved(DBWatchError):
    """Watched collections were dropped, renamed or replaced at `position`; the source reports no deletes for that.

    Of `removed` no row is left at that position.
    """

    exit_status = 2

    def __init__(self, text: str, *, position: str, removed: frozenset[str] = frozenset()) -> None:
        super().__init__(text)
        self.position = position
        self.removed = removed


class StreamLost(DBWatchError):
    """The stream does not hold an entry that was written, nor will a restart write it anew, for the last checkpoint is
    later than the loss.
    """

    exit_status = 2


class TailLost(StreamLost):
    """The stream lost entries while the job runs; those that came after its last checkpoint a restart writes anew."""


class LockLost(StreamLost):
    """Redis forgot that this job writes, so it lost data; a restart finds out what else."""


class ArchiveLost(DBWatchError):
    """The folder that the archive was written to is not there any more."""

    exit_status = 2


class Fenced(DBWatchError):
    """The writer's lock is another job's by now: nothing more may be written, neither to Redis nor to the recovery
    store. `released`: nobody else's yet, this job itself has given it back.
    """

    exit_status = 2

    def __init__(self, text: str, *, released: bool = False) -> None:
        super().__init__(text)
        self.released = released


class PeerEnded(DBWatchError):
    """Another process of the same job has ended. `kind` names the class of its error, empty when it just vanished."""

    def __init__(self, text: str, *, status: int = 1, kind: str = "") -> None:
        super().__init__(text)
        self.exit_status = status
        self.kind = kind


class ClockSetBack(DBWatchError):
    """The wall clock was set back, and the engine would stand still for as long: the job begins anew."""


class TransientError(DBWatchError):
    """A server is unreachable, failing over or out of room; the same call may succeed later."""


class BadRecord(DBWatchError):
    """One event cannot be decoded, joined or written."""

    exit_status = 3


class TooManyLetters(DBWatchError):
    """So many events in a row cannot be decoded, joined or written that something else must be wrong."""

    exit_status = 3


class Forbidden(DBWatchError):
    """Who asks may not do this: their role does not allow it."""

    exit_status = 2


class Stopped(DBWatchError):
    """A stop was requested while a call was waiting to be retried."""

    exit_status = 0


def mistake(where: str, exc: Exception) -> DBWatchError:
    """The end of a run for an error that nobody foresaw; the log has its traceback."""
    return DBWatchError(
        f"{where}: {type(exc).__name__}: {exc}; this is a mistake of DB Watch, please report it with the log; what is "
        "done stays done, and the same command goes on"
    )
