"""Telling a record that Redis refuses for itself from a Redis that is away. An edge: it talks to Redis.

A server ends the connection when a value is longer than it takes (`proto-max-bulk-len`, `client-query-buffer-limit`),
often before it has said why. That looks like an outage, except that everything else works.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis
from redis import exceptions as rx

from connectors.dead_letters import DeadLetter, error_text, event_text
from connectors.errors import BadRecord, DBWatchError, TransientError
from connectors.records import Record
from connectors.redis_client import translated

ATTEMPTS = 5
"""How often a call must be refused, while Redis answers in between, before it is told to be refused for itself."""

_SMALLEST_LIMIT = 1_000_000
"""Neither of the limits can be set lower, so nothing shorter is ever refused for its length."""


class Refused(DBWatchError):
    """Redis takes other calls, and never this one."""


class Refusals:
    """The attempts of one call."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._count = 0

    def met(self, error: DBWatchError, records: Sequence[Record]) -> DBWatchError:
        """What to raise after an attempt to write these records: `Refused` once that is certain, a `TransientError`
        until then, any other error as it is.
        """
        if not _closes(error) or not any(map(_is_bulky, records)):
            self._count = 0
            return error
        if not self._answers():
            self._count = 0
            return TransientError(str(error))
        self._count += 1
        return Refused(str(error)) if self._count >= ATTEMPTS else TransientError(str(error))

    def _answers(self) -> bool:
        try:
            with translated("PING"):
                self._client.ping()
        except DBWatchError:
            return False
        return True


def letter_of_record(record: Record, error: Refused) -> DeadLetter:
    """The letter of a record that cannot be written."""
    length = max(len(record.before or ""), len(record.after or ""))
    reason = BadRecord(
        f"Redis refuses the record, of which a row has {length} characters: {error}; is proto-max-bulk-len or "
        "client-query-buffer-limit smaller than that?"
    )
    event = {"versions": record.versions.to_json(), "changed": record.changed, "cause": record.cause}
    return DeadLetter(
        stage="write",
        collection=record.view,
        key=record.key,
        op=record.op,
        position=record.position,
        ts_ms=record.ts_ms,
        error=error_text(reason),
        event=event_text({name: value for name, value in event.items() if value is not None}),
    )


def _closes(error: DBWatchError) -> bool:
    """Whether the server ended the connection, or says that it cannot read what was sent."""
    cause = error.__cause__
    if isinstance(cause, rx.ResponseError):
        return "Protocol error" in str(cause)
    return isinstance(cause, rx.ConnectionError | ConnectionError) and not isinstance(cause, rx.BusyLoadingError)


def _is_bulky(record: Record) -> bool:
    return max(len(record.before or ""), len(record.after or "")) * 4 >= _SMALLEST_LIMIT
