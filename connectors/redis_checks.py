"""Whether a Redis can hold the feed, found out before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from connectors.errors import ConfigError, TransientError
from connectors.redis_client import connect, translated
from connectors.settings import Keys


def check_redis(url: str, keys: Keys) -> None:
    """Whether a Redis can hold the feed. Raises `ConfigError`, saying what was found, expected and what to do."""
    client = connect(url)
    try:
        with translated("REDIS_URL"):
            info = cast("Mapping[str, Any]", client.info())
        _check_info(info)
        with translated("REDIS_URL: a first write"):
            client.hset(keys.job, "checked_ms", str(int(client.time()[0]) * 1000))
            for stream in (*keys.changes, keys.rates):
                if client.type(stream) not in ("none", "stream"):
                    raise ConfigError(
                        f"{stream} in Redis is not a stream; something else uses it: set another DBWATCH_PREFIX"
                    )
    except TransientError as exc:
        raise ConfigError(
            f"Redis is not ready for writing: {exc}; expected a server that is up, has room and is no replica"
        ) from exc
    finally:
        client.close()


def _check_info(info: Mapping[str, Any]) -> None:
    version = str(info.get("redis_version", "0"))
    if tuple(int(n) for n in version.split(".")[:2]) < (6, 2):
        raise ConfigError(f"REDIS_URL: Redis {version} was found, 6.2 or newer (or Valkey) is needed")
    if info.get("cluster_enabled"):
        raise ConfigError("REDIS_URL: a Redis Cluster was found; a single server or a primary with replicas is needed")
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy.startswith("allkeys"):
        raise ConfigError(
            f"REDIS_URL: maxmemory-policy is {policy}, which throws whole streams away when memory is short; "
            "noeviction is needed: CONFIG SET maxmemory-policy noeviction"
        )
