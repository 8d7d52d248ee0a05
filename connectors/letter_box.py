"""`P:deadletter`: the stream of the changes that were set aside. Written here, each once; read here as well."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import cast

import structlog
from redis import Redis

from connectors.dead_letters import DeadLetter
from connectors.errors import BadRecord
from connectors.lease import Fence
from connectors.letters import Letter
from connectors.redis_client import translated
from connectors.writer import Command, Lease

log = structlog.get_logger()

MAXLEN = 10_000
"""Letters that are kept, about."""

_READ_COUNT = 500
_Entries = list[tuple[str, dict[str, str]]]


class LetterBox:
    """Writes dead letters to the stream, each once: a replay after a crash makes the same ones again.

    What is there is read only when the first letter comes, or when it is unknown whether the last ones were written.
    With a `fence`, only as long as the writer's lock is ours.
    """

    def __init__(self, client: Redis, stream: str, fence: Fence | None = None) -> None:
        self._client = client
        self._stream = stream
        self._lease = None if fence is None else Lease(client, fence, leads=False)
        self._known: set[tuple[str, ...]] | None = None

    def put(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Write those that are not there, and give them back. After a `TransientError`, call again with the same."""
        if self._known is None:
            self._known = {found.letter.identity for found in read_letters(self._client, self._stream)}
        new = list({letter.identity: letter for letter in letters if letter.identity not in self._known}.values())
        known, self._known = self._known, None  # until it is certain what was written
        self._write([self._added(letter) for letter in new])
        self._known = known | {letter.identity for letter in new}
        for letter in new:
            told = letter._asdict() | {"key": letter.key[:200]}
            del told["event"]
            log.warning("deadletter.written", **told)
        return new

    def _added(self, letter: DeadLetter) -> Command:
        fields = letter.to_fields(at_ms=time.time_ns() // 1_000_000)
        words = [word for field in fields.items() for word in field]
        return "XADD", self._stream, "MAXLEN", "~", MAXLEN, "*", *words

    def _write(self, commands: Sequence[Command]) -> None:
        if self._lease is not None:
            self._lease.call(*commands)
            return
        with translated(f"writing to {self._stream}"), self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            pipe.execute()


def read_letters(client: Redis, stream: str) -> Iterator[Letter]:
    """All letters, oldest first; an entry of another form is passed by."""
    after = "-"
    while True:
        with translated(f"reading {stream}"):
            found = cast("_Entries", client.xrange(stream, after, count=_READ_COUNT))
        for entry_id, fields in found:
            try:
                yield Letter(entry_id, int(fields.get("at_ms", 0)), DeadLetter.from_fields(fields))
            except (BadRecord, ValueError):
                continue
        if len(found) < _READ_COUNT:
            return
        after = f"({found[-1][0]}"
