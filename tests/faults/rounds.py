"""One round: a workload, its faults, and what came of it."""

from __future__ import annotations

import json
import random
import re
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from connectors.errors import DBWatchError
from tests.acceptance.oracle import SECRET, Entry, batch_join
from tests.faults.archived import compare_archive
from tests.faults.compare import Outcome, Terms, compare
from tests.faults.fault import Fault, NotHereError
from tests.faults.plan import Plan
from tests.faults.rig import Rig, RoundFailed
from tests.faults.servers import Servers
from tests.faults.short_hours import short_hours
from tests.faults.travelled import compare_past

_WORK_S = 120.0
_SETTLE_S = 60.0
_POLL_S = 0.2
_CHANGES_AFTER = 60
"""All must be told also when the faults are over."""


class Struck(NamedTuple):
    """A fault that was injected, how far the job had come, and how long the injection took."""

    fault: str
    phase: str
    took_s: float


class Result(NamedTuple):
    """What one round showed. `violations` is empty when all was as promised; `absent` says what the machine lacks."""

    plan: Plan
    struck: list[Struck]
    violations: list[str]
    absent: Mapping[str, str]
    counted: Counter[str]
    took_s: float


def run_round(plan: Plan, servers: Servers, catalogue: Mapping[str, type[Fault]], folder: Path) -> Result:
    """Never raises for what the job does: that is a violation."""
    began_s = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(plan, {name: catalogue[name]() for name in plan.faults})
    try:
        run.play(servers, folder)
    except (RoundFailed, TimeoutError, RedisError, PyMongoError, OSError, AssertionError, DBWatchError) as exc:
        run.violations.append(f"{type(exc).__name__}: {exc}")
        (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
    (folder / "violations.json").write_text(json.dumps(run.violations, indent=1), encoding="utf-8")
    return Result(plan, run.struck, run.violations, run.absent, run.counted, time.monotonic() - began_s)


class _Run:
    def __init__(self, plan: Plan, faults: Mapping[str, Fault]) -> None:
        self._plan = plan
        self._faults = faults
        self._rnd = random.Random(plan.seed + 1)
        self.struck: list[Struck] = []
        self.violations: list[str] = []
        self.absent: dict[str, str] = {}
        self.counted: Counter[str] = Counter()

    def play(self, servers: Servers, folder: Path) -> None:
        setup = self._plan.setup
        for fault in self._faults.values():
            fault.prepare(setup)
        with Rig(setup, servers, folder, seed=self._plan.seed) as rig:
            try:
                self._work(rig)
                self._settle(rig)
                self._finish(rig)
            finally:
                if self.violations:
                    _keep(rig, folder)
                self.counted += rig.counted + Counter({"changes": rig.truth.changes})

    def _work(self, rig: Rig) -> None:
        setup = self._plan.setup
        rig.workload.fill(setup.fill)
        try:
            rig.flow.start()
            rig.workload.start(setup.changes)
            for strike in self._plan.strikes:
                self._strike(rig, strike.fault, int(strike.at * setup.changes))
            rig.wait(lambda: not rig.workload.running, _WORK_S, what="the end of the workload")
        finally:
            for fault in self._faults.values():
                fault.heal(rig)
            rig.mongo.heal()
        rig.until_begun()
        rig.workload.start(_CHANGES_AFTER)
        rig.wait(lambda: not rig.workload.running, _WORK_S, what="the changes after the last fault")

    def _strike(self, rig: Rig, name: str, after: int) -> None:
        rig.wait(
            lambda: rig.workload.done >= after or not rig.workload.running,
            _WORK_S,
            what=f"{after} steps of the workload",
        )
        phase, began_s = rig.phase(), time.monotonic()
        try:
            self._faults[name].strike(rig, self._rnd)
        except NotHereError as exc:
            self.absent[name] = str(exc)
            return
        self.struck.append(Struck(name, phase, time.monotonic() - began_s))

    def _settle(self, rig: Rig) -> None:
        """Wait until the feed says what happened; what differs at last is a violation."""
        deadline = time.monotonic() + _SETTLE_S
        while (outcome := self._compared(rig)).differences and time.monotonic() < deadline:
            for _ in range(int(_POLL_S / 0.02)):
                rig.keep_running()
                time.sleep(0.02)
        self.violations += outcome.differences

    def _finish(self, rig: Rig) -> None:
        """Stop in order, and see that nothing came after, that nothing seen has changed, and that no secret is out."""
        rig.wait(lambda: rig.flow.begun, what="the job's beginning")
        statuses = rig.flow.stop()
        if any(statuses):
            self.violations.append(f"the job ended with {statuses} when it was asked to: {rig.flow.last_words()}")
        outcome = self._compared(rig)
        self.violations += [d for d in outcome.differences if d not in self.violations]
        self.counted += outcome.counted
        if rig.setup.archive:
            with short_hours():
                self._check_archive(rig)
        for fault in self._faults.values():
            self.violations += fault.after(rig, self._rnd)
        self.violations += _secrets(rig)
        log = "".join(flow.log() for flow in rig.flows)
        if "Traceback" in log or "stack backtrace" in log or ("panicked" in log and not rig.setup.may_panic):
            self.violations.append("a traceback stands in the job's log")

    def _check_archive(self, rig: Rig) -> None:
        """What the archive has kept, and what it tells of random moments."""
        setup, terms = rig.setup, self._terms(rig)
        kept = compare_archive(rig.archive, rig.truth, terms, chapters=None if setup.history_lost else setup.chapters)
        self.violations += kept.differences
        self.counted += kept.counted
        if kept.differences or not setup.images or terms.set_aside:
            return  # what `after` holds may be later than the moment, or missing
        told = compare_past(rig.archive, rig.truth, self._rnd)
        self.violations += told.differences
        self.counted += told.counted

    def _compared(self, rig: Rig) -> Outcome:
        setup = rig.setup
        if setup.mongo_restarts and '"why": "snapshot_lost"' in rig.flow.log():
            # Once started again, a member reads as of no time before; the first reading had no checkpoint yet.
            setup.history_lost = setup.first_reading_cut = True
        feed, odd = _feed(rig)
        terms = self._terms(rig, feed)
        outcome = compare(feed, rig.truth, batch_join(rig.workload.writer.client, rig.database), terms)
        outcome.differences += odd
        letters = len(rig.dead_letters())
        if letters != setup.dead_letters:
            outcome.differences.append(f"{letters} dead letters, expected {setup.dead_letters}")
        if len(terms.starts) > 1 and not setup.history_lost:
            outcome.differences.append(f"the collections were read more than once: at {list(terms.starts)}")
        return outcome

    def _terms(self, rig: Rig, feed: Sequence[Entry] | None = None) -> Terms:
        feed = _feed(rig)[0] if feed is None else feed
        job = rig.job()
        starts = {e.json("versions")["row"] for e in feed if e.fields["op"] == "r"}
        starts |= {job["snapshot_position"]} if "snapshot_position" in job else set()
        setup = rig.setup
        if setup.history_lost and starts:
            logged = re.findall(r'"snapshot": "([0-9a-f]{16})"', rig.flow.log())
            starts |= {position for position in logged if position > min(starts)}
        return Terms(
            tuple(sorted(starts)) or ("0" * 16,),
            images=setup.images,
            trimmed=setup.maxlen < 10_000,
            complete=not (setup.redis_loses and setup.history_lost) and not setup.first_reading_cut,
            set_aside=frozenset(rig.dead_letters()),
        )


def _keep(rig: Rig, folder: Path) -> None:
    """What a person needs who looks for the reason: the feed as it was seen, and every version of every row."""
    with (folder / "feed.jsonl").open("w", encoding="utf-8") as out:
        for stream, entries in rig.follower.entries.items():
            out.writelines(json.dumps([stream, e.id, dict(e.fields)], ensure_ascii=False) + "\n" for e in entries)
    with (folder / "versions.txt").open("w", encoding="utf-8") as out:
        out.writelines(f"{row} {version}\n" for row in rig.truth.rows() for version in rig.truth.of(row))


def _feed(rig: Rig) -> tuple[list[Entry], list[str]]:
    """What a consumer that followed has seen, in order, and what of it is not so in the streams."""
    stands = rig.follower.stands()
    if rig.setup.redis_loses:
        return [entry for entries in stands.values() for entry in entries], []
    odd: list[str] = []
    added = rig.follower.added()
    for stream, entries in stands.items():
        seen = rig.follower.entries[stream]
        if entries and seen[-len(entries) :] != entries:
            odd.append(
                f"{stream} holds {len(entries)} entries, which are not the last of the {len(seen)} that were seen"
            )
        if stream in added and added[stream] != len(seen):
            odd.append(f"{stream}: {added[stream]} entries were written, {len(seen)} were seen")
    return [entry for seen in rig.follower.entries.values() for entry in seen], odd


def _secrets(rig: Rig) -> list[str]:
    found = [f"a masked value stands in {path.name}" for path in rig.files() if SECRET.encode() in path.read_bytes()]
    with rig.redis_client() as client:
        keys = cast("list[str]", list(client.scan_iter(count=1000)))  # pyright: ignore[reportUnknownArgumentType]
        found += [f"a masked value stands in {key} in Redis" for key in keys if SECRET in _value(client, key)]
    return found


def _value(client: Redis, key: str) -> str:
    kind = client.type(key)
    if kind == "hash":
        return str(client.hgetall(key))
    return str(client.xrange(key) if kind == "stream" else client.dump(key))
