"""Faults of the machine that the job runs on."""

from __future__ import annotations

import random
import re
import resource
import shutil
import time
from pathlib import Path

from tests.clock import NoClock, library
from tests.faults.fault import Fault, NotHereError
from tests.faults.flow import written
from tests.faults.rig import Rig, RoundFailed
from tests.faults.setup import Setup

_UNREADABLE = re.compile("cannot be read as a recovery partition|its partition files cannot be read")
_ONE_LINE = re.compile("dbwatch: error: the recovery folder cannot be written")


class DiskFull(Fault):
    """The disk under the recovery folder is full: no file may grow; the job ends with one line, and goes on later."""

    group = "machine"
    alone = True

    def prepare(self, setup: Setup) -> None:
        setup.may_panic = True  # two lines of the engine's own come before ours

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        rig.wait(lambda: written(rig.flow.recovery), 10, what="the recovery partitions")
        room = rnd.choice((0, 4096, 20_000))
        largest = max(file.stat().st_size for file in rig.files())
        for pid in rig.flow.pids():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + room, largest + room))
        statuses = rig.flow.statuses(timeout_s=30)
        said = rig.flow.last_words()
        if not all(0 < status < 128 for status in statuses) or not all(map(_ONE_LINE.match, said)):
            raise RoundFailed(f"with a full disk it ended with {statuses}: {said}")
        rig.restart()


class RecoveryTruncated(Fault):
    """A recovery partition is cut off; the job says so in one line, and goes on with a copy that was kept."""

    group = "machine"
    alone = True

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_begun()
        rig.wait(lambda: rig.flow.begun, what="the job's beginning")
        time.sleep(rnd.uniform(0.5, 2))
        if any(rig.flow.stop()):
            raise RoundFailed(f"asked to end, it said {rig.flow.last_words()}")
        recovery, copy = rig.flow.recovery, rig.folder / "copy"
        shutil.copytree(recovery, copy)
        self._cut(rnd.choice(sorted(recovery.glob("part-*.sqlite3"))), rnd)
        rig.flow.start()
        statuses, said = rig.flow.statuses(), rig.flow.last_words()
        if statuses != [2] or not any(_UNREADABLE.search(line) for line in said):
            raise RoundFailed(f"with a truncated recovery file it ended with {statuses}: {said}")
        shutil.rmtree(recovery)
        shutil.move(copy, recovery)
        rig.restart()

    def _cut(self, part: Path, rnd: random.Random) -> None:
        data = part.read_bytes()
        part.write_bytes(data[: rnd.choice((0, 1, 100, len(data) // 2, len(data) - 1, len(data) - 4096))])


class ClockSet(Fault):
    """The clock of the job is set back and forth, by seconds and by hours; set back, the job begins anew."""

    group = "machine"

    def prepare(self, setup: Setup) -> None:
        setup.clock = True
        setup.expected.append("the clock of this machine was set back")

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        try:
            library()
        except NoClock as exc:
            raise NotHereError(str(exc)) from exc
        assert rig.clock is not None
        rig.wait(lambda: rig.flow.begun, what="the job's beginning")
        for _ in range(rnd.randint(2, 4)):
            rig.clock.set(rnd.choice((-86_400, -3600, -30, -0.5, 0, 0.5, 30, 3600, 86_400)))
            deadline = time.monotonic() + rnd.uniform(0.2, 1.5)
            while time.monotonic() < deadline:
                rig.keep_running()
                time.sleep(0.02)

    def heal(self, rig: Rig) -> None:
        if rig.clock is not None:
            rig.clock.set(0)


FAULTS = (DiskFull, RecoveryTruncated, ClockSet)
