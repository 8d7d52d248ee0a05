"""A look at Redis, and at what a job says of itself there: changes nothing. An edge."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, TypeVar, cast

from redis import Redis
from redis import exceptions as rx

from connectors.errors import DBWatchError
from connectors.mongo_events import position_ms
from connectors.redis_client import connect, reached, translated
from connectors.settings import Keys, Settings
from dbwatch.doctor.facts import JobFacts, RedisFacts, StreamFacts, Unknown
from flows.verify.following import standing_of

T = TypeVar("T")
_LISTEN_S = 2.5
_POLL_S = 0.1
_MOST_KEYS = 100_000

_REFUSES = ("OOM", "READONLY", "MISCONF", "LOADING", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "BUSY")


def look_at_redis(settings: Settings) -> tuple[RedisFacts, JobFacts]:
    """What can be seen; never raises for what is wrong with the server."""
    try:
        with connect(settings.redis_url) as client:
            reached(client, settings.redis_url)
            with translated("REDIS_URL"):
                job = _job(client, settings.keys)
                return _redis(client, settings.keys), job
    except DBWatchError as exc:
        return RedisFacts(refusal=str(exc)), JobFacts()


def _redis(client: Redis, keys: Keys) -> RedisFacts:
    info = cast("Mapping[str, Any]", client.info("everything"))
    denied, refusal = _tried(client, keys)
    is_valkey = info.get("server_name") == "valkey" or "valkey_version" in info
    version = str(info.get("valkey_version" if is_valkey else "redis_version", info.get("redis_version", "0")))
    saves = _seen(lambda: cast("Mapping[str, str]", client.config_get("save")))
    fsync = _seen(lambda: cast("Mapping[str, str]", client.config_get("appendfsync")))
    return RedisFacts(
        name="Valkey" if is_valkey else "Redis",
        version=tuple(int(part) for part in version.split(".")[:3] if part.isdecimal()),
        is_cluster=bool(info.get("cluster_enabled")),
        is_primary=info.get("role", "master") == "master",
        policy=str(info.get("maxmemory_policy", "noeviction")),
        memory=int(info.get("used_memory", 0)),
        most_memory=int(info.get("maxmemory", 0)),
        appends=bool(info.get("aof_enabled")),
        fsync=fsync if isinstance(fsync, Unknown) else fsync.get("appendfsync", "everysec"),
        saves=saves if isinstance(saves, Unknown) else bool(saves.get("save")),
        last_save_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        last_append_ok=info.get("aof_last_write_status", "ok") == "ok",
        write_refusal=refusal,
        denied=denied,
        streams=_seen(lambda: tuple(_stream(client, stream) for stream in keys.changes)),
        skew_ms=_skew_ms(client),
    )


def _seen(look: Callable[[], T]) -> T | Unknown:
    try:
        return look()
    except rx.NoPermissionError as exc:
        return Unknown(str(exc), denied=True)
    except rx.ResponseError as exc:
        return Unknown(str(exc))


def _tried(client: Redis, keys: Keys) -> tuple[tuple[str, ...], str]:
    """The commands that the user may not run, and why Redis takes no write now."""
    # Each is refused for its arguments after the rights, the room and the role were looked at; so nothing is written.
    probes = (
        ("XADD", keys.changes[0], "0-0", "probe", "1"),
        ("HSET", keys.job, "probe", "1", "odd"),
        ("EVALSHA", "0" * 40, "1", keys.changes[0]),
    )
    denied: list[str] = []
    refusal = ""
    for probe in probes:
        name = probe[0]
        try:
            client.execute_command(*probe)
        except rx.NoPermissionError:
            denied.append(name)
        except rx.NoScriptError:
            continue
        except rx.ResponseError as exc:
            text = str(exc)
            if isinstance(exc, rx.OutOfMemoryError | rx.ReadOnlyError) or text.startswith(_REFUSES):
                refusal = text
    return tuple(denied), refusal


def _stream(client: Redis, stream: str) -> StreamFacts:
    memory = _seen(lambda: client.memory_usage(stream, samples=10))
    return StreamFacts(stream, _length(client, stream), None if isinstance(memory, Unknown) else memory)


def _length(client: Redis, stream: str) -> int:
    return int(cast("Mapping[str, Any]", client.xinfo_stream(stream))["length"]) if client.exists(stream) else 0


def _skew_ms(client: Redis) -> int:
    """The server's clock against the middle of the time that the question took."""
    before_s = time.time()
    server_ms = _now_ms(client)
    return round(server_ms - (before_s + time.time()) / 2 * 1000)


def _now_ms(client: Redis) -> int:
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


def _job(client: Redis, keys: Keys) -> JobFacts:
    health = cast("dict[str, str]", client.hgetall(keys.health))
    before = standing_of(health)
    deadline_s = time.monotonic() + (0 if before.has_ended else _LISTEN_S)
    standing = before
    while standing.spoke == before.spoke and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        standing = standing_of(cast("dict[str, str]", client.hgetall(keys.health)))
    job = cast("dict[str, str]", client.hgetall(keys.job))
    letters = _seen(lambda: _length(client, keys.deadletter))
    seen_ms = job.get("writer_seen_ms", "")
    return JobFacts(
        job_id=job.get("job_id", ""),
        speaks=standing.spoke != before.spoke and not standing.has_ended,
        states=standing.states,
        position_ms=position_ms(standing.position) if standing.position else None,
        lag_ms=standing.lag_ms,
        holding_reason=standing.reason,
        writer=_writer(job),
        writer_seen_ms=int(seen_ms) if seen_ms.isdecimal() else None,
        redis_ms=_now_ms(client),
        dead_letters=letters,
        users=_seen(lambda: _users(client, keys)),
    )


def _writer(job: Mapping[str, str]) -> str:
    if not job.get("writer"):
        return ""
    return f"process {job.get('writer_pid', '?')} on {job.get('writer_host', 'an unknown host')}"


def _users(client: Redis, keys: Keys) -> int:
    """How many there are; of a large Redis only a part of the keys is looked at."""
    found = cast("Any", client.scan_iter(match=keys.user("*"), count=1000))
    start = len(keys.user(""))
    return sum(":" not in key[start:] for key in islice(found, _MOST_KEYS))  # else it is something of a user's own
