"""The pulse: once a second, what was written goes to `P:rates` and how the job is to `P:health`. An edge: it talks to
Redis.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TypeVar, cast

import orjson
import structlog

from connectors.ending import Ending
from connectors.errors import ClockSetBack, DBWatchError, Fenced, StreamLost
from connectors.process_ids import is_gone, this_process
from connectors.settings import Keys
from connectors.writer import Command, Lease
from flows.clock import ClockWatch
from flows.health import Health
from flows.peers import News, Peers, Report
from flows.rates import Meter, rates_fields

T = TypeVar("T")

log = structlog.get_logger()

RATES_MAXLEN = 90_000
"""Entries of `P:rates` that are kept, about: a day of one process."""

_PERIOD_S = 1.0
_NEWS_S = 2.5


class Pulse:
    """A thread that tells, and renews the writer's lock with it; what it cannot tell because Redis is away is missing
    from the rates, never from the feed.

    It tells only as long as the lock is the job's: when it is another's, or Redis lost it, it abandons the job.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        process: int,
        meter: Meter,
        health: Health,
        ending: Ending,
        clock: ClockWatch | None = None,
    ) -> None:
        self._keys = keys
        self._process = str(process)
        self._meter = meter
        self._health = health
        self._ending = ending
        self._clock = clock or ClockWatch()
        self._lease: Lease | None = None
        self._peers: Peers | None = None
        self._here = this_process()
        self._beats = 0
        self._starting = threading.Lock()
        self._keeps_lock = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dbwatch pulse", daemon=True)

    def start(self, lease: Lease, *, is_cluster: bool = False) -> None:
        """Begin with the job's lock; another call does nothing."""
        with self._starting:
            if self._lease is None:
                self._lease = lease
                if is_cluster:
                    here, number = self._here, int(self._process)
                    gone = partial(is_gone, here=here)
                    self._peers = Peers(run_id=lease.fence.token, number=number, here=here, gone=gone)
                    self._introduce(lease)
                self._thread.start()

    def _introduce(self, lease: Lease) -> None:
        """Let the others know of this process before it works, so that they find out even if it is killed before the
        first beat. If Redis is away just now, that beat does it.
        """
        with suppress(DBWatchError):
            lease.call(*self._report(stopping=False))

    def stop(self, *, begins_anew: bool = False) -> None:
        """Tell what is left and that the job has stopped, and release the lock, unless the program `begins_anew` in
        this process: the next run knows the lock of its own process and takes it over at once, while another job must
        wait for a heartbeat that stands still, or for the end of the process.
        """
        self._keeps_lock = self._keeps_lock or begins_anew
        self._end.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=2 * _PERIOD_S)

    def await_news(self) -> None:
        """Give the other processes of a cluster time to say why they end."""
        if self._peers is not None and self._thread.is_alive():
            self._ending.wait(_NEWS_S)

    def _run(self) -> None:
        told_s = time.monotonic()
        away = False
        while True:
            stopping = self._end.wait(_PERIOD_S - (time.monotonic() - told_s) % _PERIOD_S)
            now_s = time.monotonic()
            try:
                away = self._tell(now_s - told_s, stopping=stopping, was_away=away)
                self._clock.check()
            except ClockSetBack as exc:
                self._begin_anew(exc)
                return
            except DBWatchError as exc:
                if not stopping and not self._is_over(exc):
                    self._end_job(exc)
                return
            told_s = now_s
            if stopping:
                return

    def _tell(self, seconds: float, *, stopping: bool, was_away: bool) -> bool:
        """Whether Redis is away. Raises what ends the job."""
        lease = self._lease
        assert lease is not None
        commands = [*self._figures(seconds, stopping=stopping), *self._report(stopping=stopping)]
        try:
            replies = lease.call(*commands, *([lease.releasing] if stopping and self._may_release() else []))
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
        if self._peers is not None and not stopping:
            words = cast("list[str]", replies[len(commands) - 1])
            self._heed(self._peers.hear(dict(zip(words[::2], words[1::2], strict=True)), time.monotonic()))
        return False

    def _figures(self, seconds: float, *, stopping: bool) -> list[Command]:
        at_ms = now_ms()
        interval = self._meter.take()
        self._health.on_interval(interval)
        rates = rates_fields(interval, at_ms=at_ms, process=self._process, seconds=seconds)
        figures = orjson.dumps(self._health.figures(at_ms, stopping=stopping)).decode()
        return [
            ("XADD", self._keys.rates, "MAXLEN", "~", RATES_MAXLEN, "*", *chain.from_iterable(rates.items())),
            ("HSET", self._keys.health, self._process, figures),
        ]

    def _report(self, *, stopping: bool) -> list[Command]:
        """What the other processes are told, and last the command whose reply is what they say."""
        if self._peers is None:
            return []
        self._beats += 1
        report = Report.of(self._ending, beat=self._beats, process=self._here, done=stopping)
        return [("HSET", self._keys.job, self._peers.field, report.to_json()), ("HGETALL", self._keys.job)]

    def _heed(self, news: News) -> None:
        if news.end and not self._ending.requested:
            log.info("job.stopping", because="another process of the job ends")
        if news.end == "asked":
            self._ending.request()
        elif news.error is not None and news.end == "failed":
            self._ending.fail(news.error)
        elif news.error is not None:
            self._ending.abandon(news.error)

    def _may_release(self) -> bool:
        """Not while other processes of the job may still be at work: then it is for their successor to find out."""
        assert self._lease is not None
        return self._lease.leads and not self._keeps_lock and not (self._peers and self._ending.abandoned)

    def _is_over(self, error: DBWatchError) -> bool:
        """Whether the first process of a cluster has ended in order, which it does when all is done, and this one is
        about to.
        """
        return isinstance(error, Fenced) and error.released and self._peers is not None and self._ending.requested

    def _begin_anew(self, error: ClockSetBack) -> None:
        """End as in a crash, for the engine cannot end in order now. The lock is released only where somebody asked for
        the end, so that no run follows in this process, and there are no other processes at work.
        """
        self._ending.fail(error, at_once=True)
        self._keeps_lock = not self._ending.asked
        with suppress(DBWatchError):
            self._tell(0.0, stopping=True, was_away=True)
        with suppress(DBWatchError):
            self._ending.abandon(error)

    def _end_job(self, error: DBWatchError) -> None:
        if self._ending.abandoned:
            return  # whoever does that already waits for this thread
        with suppress(DBWatchError):  # raised where there is no process of our own to end
            self._ending.abandon(error)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def at_now(call: Callable[..., T]) -> Callable[..., T]:
    """The call with the present time (Unix ms) as its last argument."""
    return lambda *args: call(*args, now_ms())
