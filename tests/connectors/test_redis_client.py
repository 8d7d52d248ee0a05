"""Redis's errors as ours, and addresses that cannot be read."""

from __future__ import annotations

import pytest
from redis import exceptions as rx

from connectors.errors import ConfigError, DBWatchError, TransientError
from connectors.redis_client import connect, reached, translated
from tests.conftest import StartRedis

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (rx.ConnectionError("gone"), TransientError),
        (rx.TimeoutError("slow"), TransientError),
        (rx.BusyLoadingError("LOADING"), TransientError),
        (rx.OutOfMemoryError("OOM"), TransientError),
        (rx.ReadOnlyError("READONLY"), TransientError),
        (rx.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), TransientError),
        (rx.ResponseError("NOREPLICAS Not enough good replicas to write."), TransientError),
        (rx.ResponseError("BUSY Redis is busy running a script"), TransientError),
        (rx.ResponseError("Command # 2 (XADD s) of pipeline caused error: BUSY Redis is busy"), TransientError),
        (rx.ResponseError("Command # 2 (XADD s) of pipeline caused error: ('BUSY Redis is busy',)"), TransientError),
        (rx.AuthenticationError("WRONGPASS"), ConfigError),
        (rx.NoPermissionError("NOPERM"), ConfigError),
        (rx.ResponseError("WRONGTYPE Operation against a key"), ConfigError),
        (rx.ResponseError("ERR unknown command"), ConfigError),
    ],
)
def test_what_passes_by_itself_is_told_from_what_needs_a_person(
    error: rx.RedisError, becomes: type[DBWatchError]
) -> None:
    with pytest.raises(DBWatchError, match=r"^reading p:changes: ") as caught, translated("reading p:changes"):
        raise error
    assert type(caught.value) is becomes
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("password", [f"pa/{SECRET}", f"{SECRET}/x", f"x?{SECRET}", f"x#{SECRET}"])
def test_an_address_whose_password_was_not_quoted_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(ConfigError, match="percent-encoded") as caught:
        connect(f"redis://:{password}@127.0.0.1:6379/0")
    assert SECRET not in str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_its_password(start_redis: StartRedis) -> None:
    server = start_redis()
    server.stop()
    url = f"redis://:{SECRET}@127.0.0.1:{server.port}/0"
    with (
        connect(url) as client,
        pytest.raises(ConfigError, match=f"no Redis answers at redis://127.0.0.1:{server.port}") as caught,
    ):
        reached(client, url)
    assert SECRET not in str(caught.value)
