"""The pulse: once a second, what was written goes to `P:rates` and how the job is to `P:health`. An edge: it talks to
Redis.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import orjson
import structlog
from redis import Redis

from connectors.errors import DBWatchError
from connectors.redis_client import translated
from connectors.settings import Keys
from flows.health import Health
from flows.rates import Meter, rates_fields

T = TypeVar("T")

log = structlog.get_logger()

RATES_MAXLEN = 90_000
"""Entries of `P:rates` that are kept, about: a day of one process."""

_PERIOD_S = 1.0


class Pulse:
    """A thread that tells; what it cannot tell because Redis is away is missing from the rates, never from the feed."""

    def __init__(self, client: Redis, keys: Keys, *, process: int, meter: Meter, health: Health) -> None:
        self._client = client
        self._keys = keys
        self._process = str(process)
        self._meter = meter
        self._health = health
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dbwatch pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell what is left and that the job has stopped."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * _PERIOD_S)

    def _run(self) -> None:
        told_s = time.monotonic()
        away = False
        while True:
            ending = self._end.wait(_PERIOD_S - (time.monotonic() - told_s) % _PERIOD_S)
            now_s = time.monotonic()
            away = self._tell(now_s - told_s, stopping=ending, was_away=away)
            told_s = now_s
            if ending:
                return

    def _tell(self, seconds: float, *, stopping: bool, was_away: bool) -> bool:
        at_ms = now_ms()
        interval = self._meter.take()
        self._health.on_interval(interval)
        rates = rates_fields(interval, at_ms=at_ms, process=self._process, seconds=seconds)
        figures = orjson.dumps(self._health.figures(at_ms, stopping=stopping)).decode()
        try:
            with translated("telling the rates"), self._client.pipeline(transaction=False) as pipe:
                pipe.xadd(self._keys.rates, {**rates}, maxlen=RATES_MAXLEN, approximate=True)
                pipe.hset(self._keys.health, self._process, figures)
                pipe.execute()
        except DBWatchError as exc:
            self._health.on_redis(str(exc))
            if not was_away:
                log.warning("pulse.away", reason=str(exc))
            return True
        self._health.on_redis(None)
        return False


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def at_now(call: Callable[..., T]) -> Callable[..., T]:
    """The call with the present time (Unix ms) as its last argument."""
    return lambda *args: call(*args, now_ms())
