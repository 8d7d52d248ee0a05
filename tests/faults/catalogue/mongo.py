"""Faults of MongoDB, of the way to it, and rows that are hard to follow."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress

from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.write_concern import WriteConcern

from dbwatch.mongod import Mongod
from dbwatch.server import HOST
from tests.acceptance.oracle import Document
from tests.faults.fault import Fault
from tests.faults.history import COLLECTIONS, Op
from tests.faults.rig import Rig, RoundFailed
from tests.faults.servers import ThreeMembers
from tests.faults.setup import Setup

_AWAY_AT_START = r"MONGO_URI: (no answer|.* answers, but no primary)|MONGO_URI.*(refused|closed|reset|[Tt]imed? ?out)"


class MongoFault(Fault):
    """Base: the job may find MongoDB away when it is started meanwhile, and then says so and ends."""

    group = "mongo"

    def prepare(self, setup: Setup) -> None:
        setup.expected.append(_AWAY_AT_START)


class MongoNetworkCut(MongoFault):
    """The job's connections to MongoDB are cut, and it cannot come back for a while; the workload goes on."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(1, 3)):
            rig.mongo.cut_flow(lasting=False)
            time.sleep(rnd.uniform(0, 0.3))
        rig.mongo.cut_flow(lasting=True)
        time.sleep(rnd.uniform(0.2, 2.5))
        rig.mongo.heal()


class MongoRestarts(MongoFault):
    """The only member is stopped or killed, and started again."""

    mongo = "one"

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.mongo_restarts = True

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        member = rig.mongo.members[0]
        rnd.choice((member.stop, member.kill))()
        time.sleep(rnd.uniform(0, 1))
        member.start()


class MongoHangs(MongoFault):
    """The primary stands still (SIGSTOP) and goes on later; a set of three elects another one meanwhile."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        member = _primary(rig)
        assert member.pid is not None
        os.kill(member.pid, signal.SIGSTOP)
        time.sleep(rnd.uniform(0.5, 4))
        os.kill(member.pid, signal.SIGCONT)

    def heal(self, rig: Rig) -> None:
        for member in rig.mongo.members:
            if member.pid is not None and member.is_running():
                os.kill(member.pid, signal.SIGCONT)


class StepDown(MongoFault):
    """The primary of three is told to step down, and another one is elected."""

    mongo = "three"

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(1, 2)):
            with _primary(rig).client() as client, suppress(AutoReconnect, OperationFailure):
                client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=2, force=rnd.random() < 0.5)
            _primary(rig)


class PrimaryKilled(MongoFault):
    """The primary of three is killed; another one is elected, and the first comes back later."""

    mongo = "three"

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        member = _primary(rig)
        member.kill()
        _primary(rig)
        time.sleep(rnd.uniform(0, 1))
        member.start()


class PrimaryCutOff(MongoFault):
    """The way between the job and the primary of three is cut, while everybody else reaches it."""

    mongo = "three"

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        primary = _primary(rig)
        proxy = rig.mongo.proxies[rig.mongo.members.index(primary)]
        proxy.refuse(lambda label: b"dbwatch" in label)
        time.sleep(rnd.uniform(1, 4))
        proxy.refuse(None)


class RolledBack(MongoFault):
    """Nobody reaches the primary of three but one writer; the others elect another, and its write is rolled back."""

    mongo = "three"

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        assert isinstance(rig.mongo, ThreeMembers)
        rig.workload.pause()
        primary = rig.mongo.primary()
        proxy = rig.mongo.proxies[rig.mongo.members.index(primary)]
        proxy.refuse(lambda _: True)
        try:
            key = self._write_alone(rig, primary)
            rig.mongo.primary(other_than=primary)
        finally:
            proxy.refuse(None)
        rig.mongo.heal()
        if rig.workload.writer.db["movies"].find_one({"_id": key}) is not None:
            raise RoundFailed("the write that only the primary had was not rolled back")
        rig.workload.resume()

    def _write_alone(self, rig: Rig, primary: Mongod) -> str:
        key = f"rolled back {time.time_ns()}"
        with MongoClient[Document](HOST, primary.port, directConnection=True, timeoutMS=5000) as client:
            alone = client.get_database(rig.database, write_concern=WriteConcern(1))
            for name in COLLECTIONS:
                alone[name].insert_one({"_id": key, "title": "Never", "stamp": -1})
                alone[name].update_many({}, {"$set": {"text": "never", "year": -1, "name": "never"}})
        return key

    def heal(self, rig: Rig) -> None:
        rig.workload.resume()


class GoneAtLookup(MongoFault):
    """Rows without images are updated and deleted at once, so that they are gone when they are looked up."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.images = False
        setup.fleeting = True

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.workload.pause()
        for i in range(20):
            _make(rig, "comments", f"fleeting {i}", {"text": "here", "movie_id": 5, "email": "a@x.org"})
            _make(rig, "comments", f"fleeting {i}", {"text": "there", "movie_id": "5", "email": "b@x.org"})
            _make(rig, "comments", f"fleeting {i}", None)
        rig.workload.resume()


class MixedKeys(MongoFault):
    """Rows come, change and go whose `_id` is of every type that one may have."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.workload.pause()
        keys = [
            *(-1, 0, Int64(2**62), 1.5, -0.25, float("inf")),
            *(False, "", "ключ", "a.b$c", "x" * 900, Decimal128("2.50"), Binary(b"\x00\xff", 0)),
            *({"nested": {"deep": [1, 2]}}, {"": 0}),
        ]
        for key in keys:
            for title in ("Keyed", "Keyed again", None):
                _make(rig, "movies", key, title and {"title": f"{title} {rnd.random()}", "year": 2000})
        rig.workload.resume()


class LongTransaction(MongoFault):
    """Hundreds of changes of all three collections are made in one transaction."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.workload.pause()
        ops: list[Op] = []
        while len(ops) < rnd.choice((200, 1200)):
            ops += rig.workload.history.next()
        rig.workload.make(tuple(ops))
        rig.workload.resume()


class LargeDocuments(MongoFault):
    """Rows of nearly 16 MB come, are changed and go."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.images = False  # with images two of them would not fit into one event
        setup.changes = min(setup.changes, 400)

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.workload.pause()
        for size in (15_900_000, 15_000_000):  # of a user that never changes, or each change would make one more record
            _make(rig, "comments", "large", {"text": "ü" * (size // 2), "movie_id": 5, "email": None})
        _make(rig, "comments", "large", None)
        rig.workload.resume()


class EventTooLarge(MongoFault):
    """A change with its images is larger than an event may be: it becomes a dead letter, and all others arrive."""

    alone = True

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.images = True
        setup.dead_letters = 1

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        rig.workload.pause()
        for letter in "ab":  # the second event has the row before, after, and what was changed
            _make(rig, "comments", "too large", {"text": letter * 8_500_000, "movie_id": 5, "email": None})
        _make(rig, "comments", "too large", {"text": "small again", "movie_id": 5, "email": None})
        rig.workload.resume()


class IdleBesideBusy(MongoFault):
    """The watched collections are idle beside a busy one that is not; the position goes on all the same."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        rig.workload.pause()
        rig.wait(lambda: rig.flow.begun, what="the job's beginning")
        before = _position(rig)
        busy = rig.workload.writer.client[rig.database]["busy"]
        deadline = time.monotonic() + 10
        while _position(rig) <= before:
            if time.monotonic() > deadline:
                raise RoundFailed(f"the position stays at {before} while another collection is busy")
            busy.insert_many([{"n": n} for n in range(200)])
        rig.workload.resume()

    def heal(self, rig: Rig) -> None:
        rig.workload.resume()


def _position(rig: Rig) -> str:
    """The position that the job tells, of its first process; it begins with the seconds."""
    with rig.redis_client() as client:
        told = client.hget(f"{rig.prefix}:health", "0")
    return str(json.loads(str(told))["position"])[:8] if told else ""


def _make(rig: Rig, collection: str, key: object, fields: Document | None) -> None:
    rig.workload.make((rig.workload.history.change(collection, key, fields),))


def _primary(rig: Rig) -> Mongod:
    return rig.mongo.primary() if isinstance(rig.mongo, ThreeMembers) else rig.mongo.members[0]


FAULTS = (
    MongoNetworkCut,
    MongoRestarts,
    MongoHangs,
    StepDown,
    PrimaryKilled,
    PrimaryCutOff,
    RolledBack,
    GoneAtLookup,
    MixedKeys,
    LongTransaction,
    LargeDocuments,
    EventTooLarge,
    IdleBesideBusy,
)
