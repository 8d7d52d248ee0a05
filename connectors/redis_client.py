"""Redis clients as the house uses them, and the one place where redis-py's errors become ours."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis import exceptions as rx
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.errors import ConfigError, TransientError
from connectors.settings import hidden

SOCKET_TIMEOUT_S = 5.0
_OPTIONS: Mapping[str, Any] = {
    "protocol": 2,
    "decode_responses": True,
    "encoding_errors": "replace",
    "socket_timeout": SOCKET_TIMEOUT_S,
    "socket_connect_timeout": SOCKET_TIMEOUT_S,
}
_REFUSED = (
    rx.AuthenticationError,
    rx.AuthorizationError,
    rx.NoPermissionError,
    rx.AuthenticationWrongNumberOfArgsError,
)
_AWAY = (
    rx.ConnectionError,
    rx.TimeoutError,
    rx.OutOfMemoryError,
    rx.ReadOnlyError,
    rx.ClusterDownError,
    rx.TryAgainError,
    OSError,
)

_FOR_NOW = ("BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "UNKILLABLE")
"""How the replies begin that tell of a state which passes: a full disk, a replica or a script that is waited for."""

_IN_PIPELINE = " of pipeline caused error: "
"""What stands between the command that redis-py names and the reply, when a pipeline brings it."""


def connect(url: str, *, resend: bool = True) -> Redis:
    """A client that gives text and speaks RESP2, so that replies have one shape on every server.

    With `resend`, a command is sent once more when its pooled connection proves stale; whoever must not write twice
    turns it off. All other retries are the caller's. Nothing is sent yet. Raises `ConfigError` for an address that
    cannot be read.
    """
    with _address(url):
        return Redis.from_url(url, retry=Retry(NoBackoff(), int(resend)), **_OPTIONS)


def connect_async(url: str) -> AsyncRedis:
    """The same for asyncio."""
    with _address(url):
        return AsyncRedis.from_url(url, retry=AsyncRetry(NoBackoff(), 1), **_OPTIONS)


def reached(client: Redis, url: str) -> Redis:
    """The client, once its server has answered; raises `ConfigError` when it cannot be reached or refuses us.

    For the start of a program: what is merely away later is retried, but a wrong address should be said at once.
    """
    try:
        with translated("PING"):
            client.ping()
    except TransientError as exc:
        raise ConfigError(
            f"REDIS_URL: no Redis answers at {hidden(url)}: {exc}; is it running, is the address right?"
        ) from exc
    return client


@contextmanager
def translated(doing: str) -> Generator[None]:
    """Turn redis-py's errors into ours; `doing` names the step, such as "reading dbwatch:changes".

    Raises `ConfigError` where only a person can help (rights, password, a key of another type), `TransientError`
    where the same call may succeed later.
    """
    try:
        yield
    except _REFUSED as exc:
        raise ConfigError(f"{doing}: Redis refuses: {exc}; check the user, password and ACL of REDIS_URL") from exc
    except _AWAY as exc:
        raise TransientError(f"{doing}: {exc}") from exc
    except rx.ResponseError as exc:
        reply = _reply(exc)
        if reply.startswith(_FOR_NOW):
            raise TransientError(f"{doing}: {reply}") from exc
        if reply.startswith("WRONGTYPE"):
            raise ConfigError(
                f"{doing}: the key holds a value of another type; something else uses it: set another DBWATCH_PREFIX"
            ) from exc
        raise ConfigError(f"{doing}: Redis answered {reply}") from exc
    except rx.RedisError as exc:
        raise TransientError(f"{doing}: {exc}") from exc


def _reply(exc: Exception) -> str:
    """What Redis said, without what redis-py puts around it when a pipeline brought it (asyncio's: as a tuple)."""
    before, found, reply = str(exc).rpartition(_IN_PIPELINE)
    return reply.removeprefix("(").removesuffix(",)").strip("'\"") if found else before + reply


@contextmanager
def _address(url: str) -> Generator[None]:
    try:
        yield
    except (ValueError, TypeError) as exc:
        # Not the reason that is given: it may quote a part of a password.
        raise ConfigError(
            f"REDIS_URL: {hidden(url)!r} is not an address that Redis clients understand; expected one such as "
            "redis://user:password@host:6379/0, with special characters of the password percent-encoded"
        ) from exc
