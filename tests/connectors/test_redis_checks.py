"""Which Redis is refused before anything starts, on Valkey and on Redis 8."""

from __future__ import annotations

import pytest
from redis import Redis

from connectors.errors import ConfigError
from connectors.redis_checks import check_redis
from connectors.settings import Keys
from tests.conftest import REDIS_KINDS, StartRedis

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)


def test_a_redis_that_evicts_keys_is_refused_at_the_start(redis_kind: str, start_redis: StartRedis) -> None:
    server = start_redis(kind=redis_kind)
    with Redis.from_url(server.uri) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigError, match="noeviction is needed"):
        check_redis(server.uri, Keys("p"))


def test_a_redis_that_refuses_writes_is_refused_at_the_start(redis_kind: str, start_redis: StartRedis) -> None:
    server = start_redis(kind=redis_kind)
    with Redis.from_url(server.uri) as client:
        client.config_set("maxmemory", "1")
    with pytest.raises(ConfigError, match="not ready for writing"):
        check_redis(server.uri, Keys("p"))
    with Redis.from_url(server.uri) as client:
        client.config_set("maxmemory", "0")
        client.replicaof("127.0.0.1", "1")
    with pytest.raises(ConfigError, match="replica"):
        check_redis(server.uri, Keys("p"))


def test_a_key_of_another_type_is_refused_at_the_start(redis_url: str, prefix: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.set(f"{prefix}:changes", "something else")
    with pytest.raises(ConfigError, match="not a stream"):
        check_redis(redis_url, Keys(prefix))
