"""Faults of Redis, and of the way to it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

from redis.exceptions import BusyLoadingError, RedisError

from tests.faults.fault import Fault
from tests.faults.flow import written
from tests.faults.rig import Rig, RoundFailed
from tests.faults.setup import Setup
from tests.faults.traps import CutInBatch, LoseReply

_AWAY_AT_START = (
    r"Redis is not ready for writing|no Redis answers|REDIS_URL: .*(refused|closed|reset|Timeout|timed out)"
)


class RedisFault(Fault):
    """Base: the job may find Redis away when it is started meanwhile, and then says so and ends."""

    group = "redis"

    def prepare(self, setup: Setup) -> None:
        setup.expected.append(_AWAY_AT_START)


class RedisRestarts(RedisFault):
    """Redis is stopped and started again with its data."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.redis_args += ["--appendfsync", "always"]

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        if rnd.random() < 0.5:
            rig.redis.kill()
        else:
            rig.redis.stop()
        time.sleep(rnd.uniform(0, 1.0))
        rig.redis.start()


class RedisPaused(RedisFault):
    """Redis answers nobody for a while (CLIENT PAUSE)."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        with rig.redis_client() as client:
            client.client_pause(rnd.randint(300, 2500), all=rnd.random() < 0.5)


class RedisHangs(RedisFault):
    """The server's process stands still (SIGSTOP), longer than a client waits, and goes on later."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        assert rig.redis.pid is not None
        os.kill(rig.redis.pid, signal.SIGSTOP)
        time.sleep(rnd.choice((0.5, 2.0, 6.0)))
        os.kill(rig.redis.pid, signal.SIGCONT)

    def heal(self, rig: Rig) -> None:
        if rig.redis.pid is not None:
            os.kill(rig.redis.pid, signal.SIGCONT)


class RedisOutOfMemory(RedisFault):
    """Redis refuses writes because it is full, and has room again later."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        with rig.redis_client() as client:
            client.config_set("maxmemory", "1")
            time.sleep(rnd.uniform(0.3, 2.0))
            client.config_set("maxmemory", "0")

    def heal(self, rig: Rig) -> None:
        with rig.redis_client() as client:
            client.config_set("maxmemory", "0")


class RedisReadOnly(RedisFault):
    """Redis becomes a replica of a server that is not there, and a primary again later."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.redis_args += ["--replica-serve-stale-data", "yes"]

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        with rig.redis_client() as client:
            client.replicaof("127.0.0.1", 9)
            time.sleep(rnd.uniform(0.3, 2.0))
            client.replicaof("NO", "ONE")

    def heal(self, rig: Rig) -> None:
        with rig.redis_client() as client:
            client.replicaof("NO", "ONE")


class RedisConnectionsCut(RedisFault):
    """All connections to Redis are cut, and those that come for a while too."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(1, 4)):
            rig.redis_proxy.cut()
            time.sleep(rnd.uniform(0, 0.2))
        rig.redis_proxy.refuse(lambda _: True)
        time.sleep(rnd.uniform(0, 1))
        rig.redis_proxy.refuse(None)

    def heal(self, rig: Rig) -> None:
        rig.redis_proxy.refuse(None)


class RedisCutInBatch(RedisFault):
    """The connection is cut when half of a batch has been sent."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.spring(CutInBatch(spare=rnd.randint(0, 4)))


class RedisReplyLost(RedisFault):
    """Redis writes a batch, and its reply is lost with the connection."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.spring(LoseReply(spare=rnd.randint(0, 4)))


class TinyStream(RedisFault):
    """The stream is bounded to fewer entries than the sink must read again, and the job is killed."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.maxlen = 5
        setup.redis_args += ["--stream-node-max-entries", "5"]

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(1, 3)):
            time.sleep(rnd.uniform(0.2, 1.5))
            rig.flow.kill()
            rig.restart()


class RedisLoading(RedisFault):
    """Redis is killed and started with so much data that it answers LOADING for a while."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.expected.append("LOADING|loading the dataset")
        setup.redis_args += ["--appendonly", "no", "--key-load-delay", "1000"]
        setup.redis_args += ["--loading-process-events-interval-bytes", "1024"]

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        with rig.redis_client() as client:
            with client.pipeline(transaction=False) as pipe:
                for i in range(rnd.randint(500, 2000)):
                    pipe.set(f"ballast:{i}", "x" * 100)
                pipe.execute()
            client.client_pause(10_000, all=False)  # nobody writes any more
            client.save()
        heard = _Listener(rig)
        rig.redis.kill()
        with heard:
            rig.redis.start()
        if not heard.loading:
            raise RoundFailed("Redis did not say LOADING to anybody")
        with rig.redis_client() as client:
            client.delete(*(f"ballast:{i}" for i in range(2000)))


class RedisLosesItsLast(RedisFault):
    """Redis crashes and comes back without its newest entries, which were written after the job's last checkpoint."""

    alone = True

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.expected.append("Redis lost entries|Redis lost data")
        setup.redis_args += ["--appendonly", "no"]
        setup.redis_loses = True
        setup.interval_s = 4

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        before = written(rig.flow.recovery)
        if not rig.within(lambda: written(rig.flow.recovery) != before, 15):
            raise RoundFailed("no checkpoint came")
        time.sleep(0.5)  # until it is whole; the next is 3 s away
        with rig.redis_client() as client:
            client.save()
        seen = rig.follower.count
        while rig.follower.count == seen:
            if not rig.workload.running:
                rig.workload.step()
            time.sleep(0.01)
        time.sleep(rnd.uniform(0, 0.5))
        rig.redis.kill()
        rig.redis.start()
        if sum(map(len, rig.follower.stands().values())) >= rig.follower.count:
            raise RoundFailed("Redis lost nothing")


class _Listener:
    """Asks Redis again and again, in a thread, whether it is loading."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.loading = False

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._rig.redis_client(timeout_s=0.5) as client:
                    client.ping()
            except BusyLoadingError:
                self.loading = True
            except RedisError:
                pass
            self._stop.wait(0.02)


FAULTS = (
    RedisRestarts,
    RedisPaused,
    RedisHangs,
    RedisOutOfMemory,
    RedisReadOnly,
    RedisConnectionsCut,
    RedisCutInBatch,
    RedisReplyLost,
    TinyStream,
    RedisLoading,
    RedisLosesItsLast,
)
