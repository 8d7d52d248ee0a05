"""`P:retries`: the rows that are to be read again, by the dead letter's id. An edge: it talks to Redis.

A request stays until what was read again is certain to be kept; then it goes, and the letter with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import structlog
from redis import Redis

from connectors.errors import DBWatchError
from connectors.lease import Fence
from connectors.redis_client import translated
from connectors.retries import Retry
from connectors.settings import Keys
from connectors.writer import Lease

log = structlog.get_logger()


class RetryDesk:
    """The requests in Redis. With a `fence`, they are changed only as long as the writer's lock is ours."""

    def __init__(self, client: Redis, keys: Keys, fence: Fence | None = None) -> None:
        self._client = client
        self._keys = keys
        self._lease = None if fence is None else Lease(client, fence, leads=False)

    def wanted(self) -> Sequence[Retry] | None:
        try:
            return self.all()
        except DBWatchError:  # whoever writes finds out by itself, and ends the job if it must end
            return None

    def all(self) -> Sequence[Retry]:
        """All requests. Raises our errors."""
        with translated(f"reading {self._keys.retries}"):
            found = cast("dict[str, str]", self._client.hgetall(self._keys.retries))
        return [retry for name, text in found.items() if (retry := Retry.from_json(name, text)) is not None]

    def ask(self, retries: Sequence[Retry]) -> None:
        """Ask for rows to be read again; one that is asked for already stays as it is. Raises our errors."""
        with translated(f"writing to {self._keys.retries}"), self._client.pipeline(transaction=False) as pipe:
            for retry in retries:
                pipe.hsetnx(self._keys.retries, retry.id, retry.to_json())
            pipe.execute()

    def claim(self, retry: Retry) -> bool:
        return self._tell(("HSET", self._keys.retries, retry.id, retry.to_json()))

    def done(self, letter_ids: Sequence[str]) -> bool:
        told = self._tell(("HDEL", self._keys.retries, *letter_ids), ("XDEL", self._keys.deadletter, *letter_ids))
        if told:
            log.info("deadletter.retried", letters=len(letter_ids))
        return told

    def _tell(self, *commands: tuple[str, ...]) -> bool:
        try:
            if self._lease is not None:
                self._lease.call(*commands)
                return True
            with translated(f"writing to {self._keys.retries}"), self._client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                pipe.execute()
        except DBWatchError:
            return False
        return True
