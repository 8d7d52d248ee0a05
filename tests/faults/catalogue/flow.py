"""Faults of the job's own processes."""

from __future__ import annotations

import random
import re
import signal
import time

from tests.faults.fault import Fault
from tests.faults.flow import written
from tests.faults.rig import Rig, RoundFailed
from tests.faults.setup import Setup, Shape
from tests.faults.traps import LoseReply, OnBatch

_TAKEN_OVER = re.compile("another (job has taken over|run of the job has taken it over)")


class Kill(Fault):
    """The job is killed at a random moment and started again."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        time.sleep(rnd.random())  # somewhere in an epoch
        rig.flow.kill()
        rig.restart()


class KillBeforeFirstCheckpoint(Fault):
    """The job is killed several times right after its start, before it has a checkpoint."""

    early = True

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(2, 4)):
            rig.wait(lambda: rig.flow.begun, what="the job's beginning")
            time.sleep(rnd.uniform(0, 0.6))
            rig.flow.kill()
            rig.restart()


class KillInSnapshot(Fault):
    """The job is killed while it reads the collections, with some rows in the stream."""

    early = True

    def prepare(self, setup: Setup) -> None:
        setup.fill = max(setup.fill, 300)

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        trap = OnBatch(rig.flow.kill, spare=rnd.randint(0, 1))
        rig.spring(trap)
        rig.flow.kill()
        rig.restart()


class KillBetweenReadAndState(Fault):
    """The job is killed when it has made records of what it read, before they are sent or its state is kept."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        _kill_at_batch(rig, OnBatch(rig.flow.kill, spare=rnd.randint(0, 5)))


class KillBeforeReply(Fault):
    """The job is killed when Redis has written its batch, before it gets the reply."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        _kill_at_batch(rig, LoseReply(spare=rnd.randint(0, 5), then=rig.flow.kill))


class KillAtCommit(Fault):
    """The job is killed at the moment at which the engine writes its recovery partitions."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.wait(lambda: rig.flow.begun, what="the job's beginning")
        for _ in range(rnd.randint(1, 2)):
            before = written(rig.flow.recovery)
            rig.within(lambda before=before: written(rig.flow.recovery) != before, 5.0)
            time.sleep(rnd.choice((0, 0, 0.001, 0.003, 0.01)))
            rig.flow.kill()
            rig.restart()
            rig.wait(lambda: rig.flow.begun, what="the job's beginning")


class KillInARow(Fault):
    """The job is killed again and again, each time after a moment."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for _ in range(rnd.randint(3, 5)):
            time.sleep(rnd.uniform(0, 1.5))
            rig.flow.kill()
            rig.restart()


class Terminate(Fault):
    """The job is asked to end with SIGTERM or SIGINT, ends with 0, and is started again."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.wait(lambda: rig.flow.running and rig.flow.begun, what="the job's beginning")
        statuses = rig.flow.stop(rnd.choice((signal.SIGTERM, signal.SIGINT)))
        if any(statuses):
            raise RoundFailed(f"asked to end, it ended with {statuses}: {rig.flow.last_words()}")
        time.sleep(rnd.uniform(0, 0.5))
        rig.restart()


class OtherWorkers(Fault):
    """The job is killed and started with another number of workers."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        time.sleep(rnd.random())
        rig.flow.kill()
        rig.flow.start(Shape(rnd.choice([n for n in (1, 2, 3) if n != rig.flow.shape.workers])))
        rig.counted["restarts"] += 1


class OtherProcesses(Fault):
    """The job is killed and started as a cluster of two processes, then as one process again."""

    def prepare(self, setup: Setup) -> None:
        setup.partitions = setup.shards = 2

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        for shape in (Shape(1, 2), Shape(1, 1)):
            time.sleep(rnd.random())
            rig.flow.kill()
            rig.flow.start(shape)
            rig.counted["restarts"] += 1
            seen = rig.follower.count
            rig.wait(lambda seen=seen: rig.follower.count > seen or not rig.workload.running, what="a record")


class Pause(Fault):
    """The job is stopped as by a debugger or a sleeping machine (SIGSTOP), and goes on later."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        time.sleep(rnd.random() / 2)
        rig.flow.send(signal.SIGSTOP)
        time.sleep(rnd.uniform(0.2, 2.5))
        rig.flow.send(signal.SIGCONT)


class SecondJob(Fault):
    """A second job is started by mistake on the same prefix, with a folder of its own or the same; it is refused."""

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        rig.wait(lambda: rig.flow.running and rig.flow.begun, what="the job's beginning")
        folder = rig.folder / f"second-{rig.flow.starts}-{rnd.randrange(1000)}"
        folder.mkdir()
        with rig.make_flow(folder) as second:
            if rnd.random() < 0.5:
                second.recovery = rig.flow.recovery
            second.start(Shape())
            statuses = second.statuses()
            said = second.last_words()
        if statuses != [2] or not any("another job writes here already" in line for line in said):
            raise RoundFailed(f"a second job was not refused: it ended with {statuses}: {said}")


class Replaced(Fault):
    """The job is paused, another one takes its place, and the first wakes: it must write nothing and say so."""

    alone = True

    def prepare(self, setup: Setup) -> None:
        setup.pause_s = 0.02

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        rig.wait(lambda: rig.flow.running and rig.flow.begun, what="the job's beginning")
        time.sleep(rnd.random())
        paused = rig.flow
        paused.send(signal.SIGSTOP)
        time.sleep(0.3)
        rig.take_over()
        seen = rig.follower.count
        rig.wait(lambda: rig.flow.begun, 30, what="the second job's beginning")
        time.sleep(rnd.uniform(0, 2))
        paused.send(signal.SIGCONT)
        statuses = paused.statuses()
        said = paused.last_words()
        if statuses != [2] * len(statuses) or not any(_TAKEN_OVER.search(line) for line in said):
            raise RoundFailed(f"a replaced job did not end as it should: {statuses}: {said}")
        rig.wait(lambda: rig.follower.count > seen or not rig.workload.running, 30, what="a record of the second job")


def _kill_at_batch(rig: Rig, trap: LoseReply | OnBatch) -> None:
    rig.spring(trap)
    rig.flow.kill()
    rig.restart()


FAULTS = (
    Kill,
    KillBeforeFirstCheckpoint,
    KillInSnapshot,
    KillBetweenReadAndState,
    KillBeforeReply,
    KillAtCommit,
    KillInARow,
    Terminate,
    OtherWorkers,
    OtherProcesses,
    Pause,
    SecondJob,
    Replaced,
)
