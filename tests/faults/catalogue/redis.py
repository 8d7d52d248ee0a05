"""Faults of Redis, and of the way to it."""

from __future__ import annotations

import os
import random
import signal
import time

from tests.faults.fault import Fault
from tests.faults.rig import Rig
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
)
