"""Who writes under a prefix, as the hash `P:job` says it, and what follows from that. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from connectors.errors import ConfigError, DBWatchError, Fenced, LockLost
from connectors.process_ids import ProcessId

LEASE_S = 10.0
"""A writer whose heartbeat has stood still for so long may be replaced."""

WRITER_FIELDS = (
    "writer",
    "writer_epoch",
    "writer_host",
    "writer_pid",
    "writer_place",
    "writer_started",
    "writer_since_ms",
    "writer_seen_ms",
)
"""The fields of `P:job` that belong to the lock; whoever writes the others leaves these alone."""

_LAST_S = 253_402_300_799  # of the year 9999, the last that can be written


class Writer(NamedTuple):
    """Who holds the lock. The times are Redis's; `seen_ms` is the last heartbeat."""

    token: str
    epoch: int
    process: ProcessId
    since_ms: int
    seen_ms: int

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Writer | None:
        """None when nobody holds the lock."""
        if not fields.get("writer"):
            return None
        process = ProcessId(
            fields.get("writer_host", "an unknown host"),
            _number(fields.get("writer_pid")),
            fields.get("writer_place", ""),
            fields.get("writer_started", ""),
        )
        return cls(
            fields["writer"],
            _number(fields.get("writer_epoch")),
            process,
            _number(fields.get("writer_since_ms")),
            _number(fields.get("writer_seen_ms")),
        )

    def __str__(self) -> str:
        return f"{self.process}, which has been writing since {_utc(self.since_ms)}"


class Watch(NamedTuple):
    """A holder's heartbeat, and since when (s, of a clock that only goes forward) it has stood still for us."""

    writer: Writer
    still_since_s: float


def judge(watch: Watch | None, writer: Writer, *, gone: bool, now_s: float) -> Literal["alive", "dead"] | Watch:
    """Whether the holder lives, or how to watch it on. `gone`: its process certainly does not run any more."""
    if gone:
        return "dead"
    if watch is None or watch.writer.token != writer.token:
        return Watch(writer, now_s)
    if watch.writer.seen_ms != writer.seen_ms:
        return "alive"
    return "dead" if now_s - watch.still_since_s >= LEASE_S else watch


def refusal(key: str, writer: Writer, now_ms: int) -> ConfigError:
    """`now_ms` is Redis's time."""
    ago_s = max(0, now_ms - writer.seen_ms) / 1000
    return ConfigError(
        f"{key}: another job writes here already: {writer}; its last heartbeat was {ago_s:.1f} s ago. Stop it first, "
        "or give this job a DBWATCH_PREFIX of its own"
    )


class Fence(NamedTuple):
    """What a write must find in the hash `key` to be ours: the lock's token and its counter."""

    key: str
    token: str
    epoch: int

    def why_not_ours(self, found: Sequence[str | None]) -> DBWatchError:
        """The error of a write that found the first `FENCED_FIELDS` instead: a later writer, or what Redis had before
        us.
        """
        fields = {name: value for name, value in zip(WRITER_FIELDS, found, strict=False) if value is not None}
        if _number(fields.get("writer_epoch")) < self.epoch:
            return LockLost(
                f"{self.key} does not say any more that this job writes: Redis lost data. Start it again, which "
                "looks for what else is missing"
            )
        writer = Writer.from_fields(fields)
        if writer is None:
            return Fenced(
                f"{self.key}: this job's lock was released, so another one may write; start it again", released=True
            )
        return Fenced(
            f"{self.key}: another job has taken over, {writer}. This one was held up or cut off for more than "
            f"{LEASE_S:.0f} s; it has written nothing since then and leaves its state as it was. Nothing is lost; "
            "nothing is to be done unless both were meant to run: then give one a DBWATCH_PREFIX of its own"
        )


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(min(at_ms // 1000, _LAST_S), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
