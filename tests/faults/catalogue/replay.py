"""Faults of replays, and what replays mend."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence

from tests.faults.catalogue.archive import ArchiveFault
from tests.faults.commands import Commands
from tests.faults.compare import Terms, compare
from tests.faults.replayed import compare_replay
from tests.faults.rig import Rig, RoundFailed
from tests.faults.setup import Setup
from tests.faults.travelled import joined_at

_ENDS_S = 60.0


class ReplayFault(ArchiveFault):
    """Base: what a replay says is what the job said, since updates have images."""

    group = "replay"
    alone = True

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.images = True
        setup.shape = setup.shape._replace(processes=1)


class ReplayKilled(ReplayFault):
    """Replays from a snapshot of the running job and from the image are killed and go on: both say what it said."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.archive_limits = ""  # all of it is replayed, from the first reading on

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_tail()
        time.sleep(rnd.uniform(1, 3))
        commands = Commands(rig)
        deadline = time.monotonic() + _ENDS_S
        while (saved := commands.run("snapshot", "save", "mid", "-r", str(rig.flow.recovery), "--into", _kept(rig)))[0]:
            if time.monotonic() > deadline:
                raise RoundFailed(f"no snapshot could be saved: {saved}")
            time.sleep(0.5)
        if rnd.random() < 0.5:
            rig.flow.kill()
            rig.restart()

    def after(self, rig: Rig, rnd: random.Random) -> Sequence[str]:
        said: list[str] = []
        for name, options in (("whole", ()), ("part", ("--from", "mid", "--snapshots", _kept(rig)))):
            _replay(rig, rnd, "--name", name, *options)
            streams = [f"{rig.prefix}:replay:{name}{stream.removeprefix('changes')}" for stream in rig.setup.streams]
            found = compare_replay(rig.feed(rig.streams), rig.feed(streams), whole=name == "whole")
            rig.counted["records replayed"] += found.counted["records replayed"]
            said += [f"replay {name}: {what}" for what in found.differences]
        return said


class RedisFlushed(ReplayFault):
    """Redis is flushed under load; a replay into the stream, killed once, writes it again, and the job goes on."""

    def prepare(self, setup: Setup) -> None:
        super().prepare(setup)
        setup.archive_limits = ""
        setup.redis_loses = True  # what the follower saw before is not in the stream any more
        setup.history_lost = True  # the job reads the collections again where the replay ended

    def strike(self, rig: Rig, rnd: random.Random) -> None:
        rig.until_tail()
        time.sleep(rnd.uniform(1, 3))
        with rig.redis_client() as client:
            client.flushall()
        statuses = rig.flow.statuses(timeout_s=30)
        if 0 in statuses:
            raise RoundFailed(f"after Redis was flushed it ended with {statuses}: {rig.flow.last_words()}")
        with rig.redis_client() as client:
            client.flushall()  # also what it wrote while it found out
        _replay(rig, rnd, "--name", "mend", "--into", "changes", under_load=True)
        time.sleep(rnd.uniform(0, 2))
        rig.restart()

    def after(self, rig: Rig, rnd: random.Random) -> Sequence[str]:
        """Nothing was passed over, and the second reading found nothing to write: as if nothing had happened."""
        feed = rig.feed(rig.streams)
        first = min(entry.json("versions")["row"] for entry in feed if entry.fields["op"] == "r")
        terms = Terms(tuple(sorted({first, rig.job()["snapshot_position"]})))
        found = compare(feed, rig.truth, joined_at(rig.truth, len(rig.truth.log)), terms)
        rig.counted["records replayed"] += found.counted["records"]
        for what in ("passed over", "repaired"):
            if found.counted[what]:
                found.differences.append(f"{found.counted[what]} {what}")
        return [f"after the flush: {what}" for what in found.differences]


def _kept(rig: Rig) -> str:
    return str(rig.folder / "snapshots")


def _replay(rig: Rig, rnd: random.Random, *options: str, under_load: bool = False) -> None:
    """Run a replay to its end; killed once on the way, it goes on."""

    def until_ended(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while job.running and time.monotonic() < deadline:
            if under_load and not rig.workload.running:
                rig.workload.step()
            time.sleep(0.05)

    commands = Commands(rig)
    command = ("replay", "--json", "--folder", str(rig.folder / "replays"), *options)
    job = commands.started(*command)
    until_ended(rnd.uniform(0.5, 6))
    if job.running:
        job.kill()
        rig.counted["replays killed"] += 1
        job.start()
        until_ended(_ENDS_S)
    status = job.wait(1)
    if status and "come to its end already" not in job.output():
        raise RoundFailed(f"{' '.join(command)} ended with {status}: {job.output()[-2000:]}")
    if not status:
        json.loads(job.output().splitlines()[-1])


FAULTS = (ReplayKilled, RedisFlushed)
