"""A backlog from MongoDB to Redis Streams: the job, the limits of the same machine, and the peers, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.backlog_page import compared, figures, plots, section
from benchmarks.bench import Bench, Result
from benchmarks.debezium import MISSING, NOTE, is_built, peers
from benchmarks.job import DATABASE, WITHOUT_LOOKUPS
from benchmarks.limit_subjects import limits
from benchmarks.names import FULL
from benchmarks.profile import program
from benchmarks.results import Run
from benchmarks.servers import Servers
from benchmarks.subjects import ProfiledSubject, Subject, World, jobs
from benchmarks.workload import QUICK, Loaded, Sizes, load, make_collections

__all__ = ["plots", "run", "section"]


def run(bench: Bench) -> Result:
    if not is_built():
        bench.progress.say(MISSING)
    chosen = [subject for subject in subjects() if bench.subjects.lower() in subject.name.lower()]
    found = measure(bench, chosen, QUICK if bench.quick else Sizes())
    return {**found, "notes": [NOTE if is_built() else MISSING]}


def subjects() -> Sequence[Subject]:
    """In the order of their turns."""
    return (*jobs(WITHOUT_LOOKUPS), *limits(), *peers())


def measure(bench: Bench, subjects: Sequence[Subject], sizes: Sizes) -> dict[str, Any]:
    """Let each subject take a position for each round, write the backlog once, then let them catch up in turns, and the
    full join once more under the profiler.
    """
    profiled = ProfiledSubject("profiled") if program() and any(subject.name == FULL for subject in subjects) else None
    everyone = [*subjects, profiled] if profiled else list(subjects)
    with Servers(bench.folder / "servers") as servers:
        world = World(servers, bench.folder, sizes)
        try:
            loaded = _prepared(bench, world, subjects, profiled)
            runs = _in_turns(bench, world, subjects, loaded)
            if profiled:
                bench.progress.say(f"{FULL}, once more under the profiler")
                profiled.run(world, loaded, 0)
        finally:
            for subject in everyone:
                subject.close()
    ratios = compared(runs)
    return {
        "sizes": sizes._asdict(),
        "written": {"own": loaded.own, "reached": loaded.reached},
        "rounds": bench.rounds,
        "subjects": {name: [run.as_json() for run in of_one] for name, of_one in runs.items()},
        "ratios": {name: ratio.as_json() for name, ratio in ratios.items()},
        "figures": figures(ratios),
        "profile": profiled and profiled.samples,
    }


def _prepared(bench: Bench, world: World, subjects: Sequence[Subject], profiled: Subject | None) -> Loaded:
    db = world.servers.mongo[DATABASE]
    make_collections(db)
    since = world.servers.mongo.admin.command("ping")["operationTime"]
    bench.progress.say(f"{len(subjects)} subjects take their positions for {bench.rounds} rounds")
    for round_no in range(bench.rounds):
        for subject in subjects:
            subject.prepare(world, round_no)
    if profiled:
        profiled.prepare(world, 0)
    bench.progress.say(f"writing a backlog of {world.sizes.changes:,} changes")
    loaded = load(db, world.sizes)
    world.servers.expect_in_oplog(since)
    return loaded


def _in_turns(bench: Bench, world: World, subjects: Sequence[Subject], loaded: Loaded) -> dict[str, list[Run]]:
    """Every other round goes backwards, so that what changes slowly in the machine favours nobody."""
    runs: dict[str, list[Run]] = {subject.name: [] for subject in subjects}
    total = len(subjects) * bench.rounds
    for round_no in range(bench.rounds):
        for place, subject in enumerate(subjects if round_no % 2 == 0 else reversed(subjects)):
            bench.progress.step(round_no * len(subjects) + place, total, subject.name)
            run = subject.run(world, loaded, round_no)
            runs[subject.name].append(run)
            bench.progress.say(f"    {run.rate_per_s:,.0f} changes/s")
    return runs
