"""The pulse: once a second, what was written goes to `P:rates` and how the job is to `P:health`. An edge: it talks to
Redis.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import TypeVar

import orjson
import structlog

from connectors.ending import Ending
from connectors.errors import DBWatchError, Fenced, StreamLost
from connectors.settings import Keys
from connectors.writer import Lease
from flows.health import Health
from flows.rates import Meter, rates_fields

T = TypeVar("T")

log = structlog.get_logger()

RATES_MAXLEN = 90_000
"""Entries of `P:rates` that are kept, about: a day of one process."""

_PERIOD_S = 1.0


class Pulse:
    """A thread that tells, and renews the writer's lock with it; what it cannot tell because Redis is away is missing
    from the rates, never from the feed.

    It tells only as long as the lock is the job's: when it is another's, or Redis lost it, it abandons the job.
    """

    def __init__(self, keys: Keys, *, process: int, meter: Meter, health: Health, ending: Ending) -> None:
        self._keys = keys
        self._process = str(process)
        self._meter = meter
        self._health = health
        self._ending = ending
        self._lease: Lease | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dbwatch pulse", daemon=True)

    def start(self, lease: Lease) -> None:
        """Begin with the job's lock; another call does nothing."""
        if self._lease is None:
            self._lease = lease
            self._thread.start()

    def stop(self) -> None:
        """Tell what is left and that the job has stopped, and release the lock."""
        self._end.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=2 * _PERIOD_S)

    def _run(self) -> None:
        told_s = time.monotonic()
        away = False
        while True:
            ending = self._end.wait(_PERIOD_S - (time.monotonic() - told_s) % _PERIOD_S)
            now_s = time.monotonic()
            try:
                away = self._tell(now_s - told_s, stopping=ending, was_away=away)
            except DBWatchError as exc:
                self._end_job(exc)
                return
            told_s = now_s
            if ending:
                return

    def _tell(self, seconds: float, *, stopping: bool, was_away: bool) -> bool:
        """Whether Redis is away."""
        at_ms = now_ms()
        interval = self._meter.take()
        self._health.on_interval(interval)
        rates = rates_fields(interval, at_ms=at_ms, process=self._process, seconds=seconds)
        figures = orjson.dumps(self._health.figures(at_ms, stopping=stopping)).decode()
        lease = self._lease
        assert lease is not None
        try:
            lease.call(
                ("XADD", self._keys.rates, "MAXLEN", "~", RATES_MAXLEN, "*", *chain.from_iterable(rates.items())),
                ("HSET", self._keys.health, self._process, figures),
                *((lease.releasing,) if stopping and lease.leads else ()),
            )
        except (Fenced, StreamLost):
            self._health.on_writer(is_writer=False)
            raise
        except DBWatchError as exc:
            self._health.on_redis(str(exc))
            if not was_away:
                log.warning("pulse.away", reason=str(exc))
            return True
        self._health.on_redis(None)
        self._health.on_writer(is_writer=True)
        return False

    def _end_job(self, error: DBWatchError) -> None:
        with suppress(DBWatchError):  # raised where there is no process of our own to end
            self._ending.abandon(error)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def at_now(call: Callable[..., T]) -> Callable[..., T]:
    """The call with the present time (Unix ms) as its last argument."""
    return lambda *args: call(*args, now_ms())
