"""A backlog from MongoDB to Redis Streams: the job, the limits of the same machine, and the peers, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.bench import Bench, Result
from benchmarks.debezium import MISSING, is_built, peers
from benchmarks.job import DATABASE, WITHOUT_LOOKUPS
from benchmarks.results import Run, Spread
from benchmarks.servers import Servers
from benchmarks.subjects import Subject, World, jobs
from benchmarks.workload import QUICK, Loaded, Sizes, load, make_collections


def run(bench: Bench) -> Result:
    if not is_built():
        bench.progress.say(MISSING)
    return measure(bench, subjects(), QUICK if bench.quick else Sizes())


def subjects() -> Sequence[Subject]:
    """In the order of their turns."""
    return (*jobs(WITHOUT_LOOKUPS), *peers())


def measure(bench: Bench, subjects: Sequence[Subject], sizes: Sizes) -> dict[str, Any]:
    """Let each subject take a position for each round, write the backlog once, then let them catch up in turns."""
    with Servers(bench.folder / "servers") as servers:
        world = World(servers, bench.folder, sizes)
        try:
            loaded = _prepared(bench, world, subjects)
            runs = _in_turns(bench, world, subjects, loaded)
        finally:
            for subject in subjects:
                subject.close()
    return {
        "sizes": sizes._asdict(),
        "written": {"own": loaded.own, "reached": loaded.reached},
        "rounds": bench.rounds,
        "subjects": {name: [run.as_json() for run in of_one] for name, of_one in runs.items()},
        "figures": {},
    }


def _prepared(bench: Bench, world: World, subjects: Sequence[Subject]) -> Loaded:
    db = world.servers.mongo[DATABASE]
    make_collections(db)
    bench.progress.say(f"{len(subjects)} subjects take their positions for {bench.rounds} rounds")
    for round_no in range(bench.rounds):
        for subject in subjects:
            subject.prepare(world, round_no)
    bench.progress.say(f"writing a backlog of {world.sizes.changes:,} changes")
    return load(db, world.sizes)


def _in_turns(bench: Bench, world: World, subjects: Sequence[Subject], loaded: Loaded) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {subject.name: [] for subject in subjects}
    total = len(subjects) * bench.rounds
    for round_no in range(bench.rounds):
        for place, subject in enumerate(subjects):
            bench.progress.step(round_no * len(subjects) + place, total, subject.name)
            run = subject.run(world, loaded, round_no)
            runs[subject.name].append(run)
            bench.progress.say(f"    {run.rate_per_s:,.0f} changes/s")
    return runs


def section(result: Result) -> str:
    lines = ["| subject | changes/s (median, least to most) |", "|---|---|"]
    for name, runs in result["subjects"].items():
        rates = Spread.of([Run.from_json(run).rate_per_s for run in runs])
        lines.append(f"| {name} | {rates.median:,.0f} ({rates.low:,.0f} to {rates.high:,.0f}) |")
    return "\n".join(lines) + "\n"
