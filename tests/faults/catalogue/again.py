"""Faults after which the collections must be read again, because what happened meanwhile is known to nobody."""

from __future__ import annotations

import random
import time

from tests.faults.fault import Fault
from tests.faults.history import COLLECTIONS
from tests.faults.rig import Rig, RoundFailed
from tests.faults.setup import Setup

_FORGET_S = 60.0


class ReadsAgain(Fault):
    """Base: the job reads the collections again, and writes what differs."""

    group = "mongo"
    alone = True

    def prepare(self, setup: Setup) -> None:
        setup.history_lost = True


class CollectionDropped(ReadsAgain):
    """A watched collection is dropped, and made again by the workload."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        _settled(rig)
        rig.workload.remove(rnd.choice(COLLECTIONS), renamed=False, images=rig.setup.images)
        _let_the_job_read(rig, rnd)


class CollectionRenamed(ReadsAgain):
    """A watched collection is renamed, and made again by the workload."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        _settled(rig)
        rig.workload.remove(rnd.choice(COLLECTIONS), renamed=True, images=rig.setup.images)
        _let_the_job_read(rig, rnd)


class DatabaseDropped(ReadsAgain):
    """The watched database is dropped, and made again by the workload."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        _settled(rig)
        rig.workload.remove(None, renamed=False, images=rig.setup.images)
        _let_the_job_read(rig, rnd)


class OplogTruncated(ReadsAgain):
    """The job is down for longer than the oplog reaches; it says so and ends, and then reads again as it is told."""

    mongo = "own"

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.mongo_args += ["--syncdelay", "1", "--setParameter", "minSnapshotHistoryWindowInSeconds=5"]
        setup.oplog_mb = 1

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.wait(lambda: rig.flow.begun, what="the job's beginning")
        rig.until_begun()
        if rnd.random() < 0.5:
            rig.flow.kill()
        else:
            rig.flow.stop()
        time.sleep(rnd.random())
        rig.workload.pause()
        _forget(rig)
        rig.flow.start()
        statuses, said = rig.flow.statuses(timeout_s=40), rig.flow.last_words()
        if statuses != [2] or not any("oplog no longer holds" in line or "no longer keeps" in line for line in said):
            raise RoundFailed(f"after lost history it ended with {statuses}: {said}")
        rig.flow.views = f'on_history_lost = "resnapshot"\n{rig.flow.views}'
        rig.restart()
        rig.workload.resume()

    def heal(self, rig: Rig) -> None:
        rig.workload.resume()


class OplogTruncatedInSnapshot(OplogTruncated):
    """The job is killed while it reads the collections, and is down for longer than the oplog reaches."""

    early = True

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.first_reading_cut = True


class RedisForgets(ReadsAgain):
    """Redis comes back without what a checkpoint says was written, and `on_stream_lost = "repair"` makes up for it."""

    group = "redis"

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.redis_args += ["--appendonly", "no"]
        setup.redis_loses = True
        setup.expected.append("Redis lost|Redis is not ready for writing|REDIS_URL")
        setup.policies = 'on_stream_lost = "repair"'

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        rig.wait(lambda: rig.flow.begun, what="the job's beginning")
        with rig.redis_client() as client:
            client.save()
        time.sleep(rnd.uniform(2.5, 4))  # some checkpoints later
        rig.redis.kill()
        rig.redis.start()


class StreamTrimmed(ReadsAgain):
    """Somebody trims the stream into the tail that a killed job must read again; with `on_stream_lost = "repair"`."""

    group = "redis"

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.redis_loses = True
        setup.policies = 'on_stream_lost = "repair"'

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_tail()
        time.sleep(rnd.uniform(2.5, 4))  # some checkpoints later
        rig.flow.kill()
        with rig.redis_client() as client:
            for stream in rig.setup.streams:
                client.xtrim(f"{rig.prefix}:{stream}", maxlen=0, approximate=False)
        rig.restart()


def _settled(rig: Rig) -> None:
    """The job must be past its first reading, which could not go on at its time after a drop."""
    rig.until_tail()
    time.sleep(2.5)
    rig.workload.pause()


def _let_the_job_read(rig: Rig, rnd: random.Random) -> None:
    """Now and then at once, so that the collections are made again before the job could read them."""
    time.sleep(rnd.choice((0, 1, 3)))
    rig.workload.resume()


def _forget(rig: Rig) -> None:
    """Let the oplog lose all that is in it."""
    client = rig.workload.writer.client
    newest = next(client.local["oplog.rs"].find().sort("$natural", -1))
    deadline = time.monotonic() + _FORGET_S
    while True:
        client["filler"]["filler"].insert_many([{"text": "x" * 100_000} for _ in range(10)])
        oldest = client.local["oplog.rs"].find_one()
        if oldest is not None and oldest["ts"] > newest["ts"]:
            return
        if time.monotonic() > deadline:
            raise RoundFailed(f"the oplog still holds everything after {_FORGET_S:.0f} s")


FAULTS = (
    CollectionDropped,
    CollectionRenamed,
    DatabaseDropped,
    OplogTruncated,
    OplogTruncatedInSnapshot,
    RedisForgets,
    StreamTrimmed,
)
