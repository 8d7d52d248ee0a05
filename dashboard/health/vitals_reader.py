"""Asks Redis for its vitals. An edge."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from redis import ResponseError
from redis.asyncio import Redis

from connectors.redis_client import translated
from connectors.settings import Keys
from dashboard.health.vitals import Memory, Stream, Vitals, id_ms

T = TypeVar("T")


async def read_vitals(client: Redis, keys: Keys) -> Vitals:
    """What the account of the page may not ask is not known. Raises `DBWatchError` when Redis is away."""
    pipeline = client.pipeline(transaction=False)
    pipeline.info("memory")
    pipeline.hget(keys.job, "processes")
    pipeline.xlen(keys.deadletter)
    pipeline.xrevrange(keys.deadletter, count=1)
    for stream in keys.changes:
        pipeline.xlen(stream)
        pipeline.xrange(stream, count=1)
        pipeline.xrevrange(stream, count=1)
    with translated("asking Redis how it is"):
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
    info, processes, letters, last_letter, *of_streams = (_given(reply) for reply in replies)
    triples = zip(of_streams[::3], of_streams[1::3], of_streams[2::3], strict=True)
    return Vitals(
        memory=None if info is None else Memory.of_info(cast("dict[str, Any]", info)),
        streams=tuple(
            Stream(name, length, id_ms(first or []), id_ms(last or []))
            for name, (length, first, last) in zip(keys.changes, triples, strict=True)
            if length is not None
        ),
        dead_letters=letters,
        last_letter_ms=id_ms(last_letter or []),
        processes=int(processes) if isinstance(processes, str) and processes.isdecimal() else 0,
    )


def _given(reply: T | Exception) -> T | None:
    """None for what Redis refused."""
    if isinstance(reply, ResponseError):
        return None
    if isinstance(reply, Exception):
        with translated("asking Redis how it is"):
            raise reply
    return reply
