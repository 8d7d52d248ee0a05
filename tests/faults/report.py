"""What a run showed, as a table for people, as Markdown and as JSON. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from tests.faults.rounds import Result

_COLUMNS = ("fault", "struck", "rounds", "when the job was at", "records compared", "violations", "s per round")


class Run(NamedTuple):
    """A whole run: its seed, every round, how long it took, and which faults there are, by name with their summary."""

    seed: int
    results: Sequence[Result]
    took_s: float
    faults: Mapping[str, str]


class Line(NamedTuple):
    """One fault: how often it was injected, in how many rounds, where the job was, and what these rounds compared."""

    fault: str
    struck: int
    rounds: int
    phases: Mapping[str, int]
    records: int
    violations: int
    median_s: float
    absent: str


def lines(run: Run) -> list[Line]:
    """Of each fault that was planned, in the order of the catalogue."""
    return [_line(name, run.results) for name in run.faults if any(name in r.plan.faults for r in run.results)]


def failures(run: Run) -> list[str]:
    """Why the run failed, in words: violations, and faults that were planned but never injected."""
    said = [f"seed {r.plan.seed}: {len(r.violations)} violations" for r in run.results if r.violations]
    return said + [
        f"{line.fault} was planned and never injected" for line in lines(run) if not line.struck and not line.absent
    ]


def totals(run: Run) -> Counter[str]:
    """What happened in all rounds together."""
    return sum((r.counted for r in run.results), Counter[str]()) + Counter({"rounds": len(run.results)})


def as_text(run: Run) -> str:
    """The table for a terminal."""
    rows = [_COLUMNS, *map(_cells, lines(run))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*table, "", *_sentences(run)])


def as_markdown(run: Run) -> str:
    """The table as it stands in docs/guarantees.md."""
    head = ["| " + " | ".join(_COLUMNS) + " |", "|---|---:|---:|---|---:|---:|---:|"]
    body = [
        "| " + " | ".join(f"`{c}`" if i == 0 else c for i, c in enumerate(_cells(line))) + " |" for line in lines(run)
    ]
    return "\n".join([*head, *body, "", *_sentences(run)]) + "\n"


def as_json(run: Run) -> str:
    found: dict[str, Any] = {
        "seed": run.seed,
        "took_s": round(run.took_s, 1),
        "totals": dict(totals(run)),
        "faults": [{**line._asdict(), "does": run.faults[line.fault]} for line in lines(run)],
        "rounds": [_round(result) for result in run.results],
        "failures": failures(run),
    }
    return json.dumps(found, indent=1) + "\n"


def command(result: Result) -> str:
    """What repeats one round."""
    which = f"--only {','.join(result.plan.only)}" if result.plan.only else "--random"
    return f".venv/bin/python -m tests.faults --seed {result.plan.seed} --rounds 1 {which}"


def _round(result: Result) -> dict[str, Any]:
    return {
        "seed": result.plan.seed,
        "repeat": command(result),
        "struck": [struck._asdict() for struck in result.struck],
        "counted": dict(result.counted),
        "took_s": round(result.took_s, 1),
        "violations": result.violations,
    }


def _line(name: str, results: Sequence[Result]) -> Line:
    mine = [r for r in results if name in r.plan.faults]
    struck = [s for r in mine for s in r.struck if s.fault == name]
    return Line(
        fault=name,
        struck=len(struck),
        rounds=len(mine),
        phases=dict(Counter(s.phase for s in struck).most_common()),
        records=sum(r.counted["records"] for r in mine),
        violations=sum(len(r.violations) for r in mine),
        median_s=median(r.took_s for r in mine),
        absent=next((r.absent[name] for r in mine if name in r.absent), ""),
    )


def _cells(line: Line) -> tuple[str, ...]:
    phases = ", ".join(f"{phase} {count}" for phase, count in line.phases.items())
    return (
        line.fault,
        str(line.struck),
        str(line.rounds),
        phases or line.absent,
        f"{line.records:,}",
        str(line.violations),
        f"{line.median_s:.1f}",
    )


def _sentences(run: Run) -> list[str]:
    total = totals(run)
    violations = sum(len(result.violations) for result in run.results)
    struck = sum(len(result.struck) for result in run.results)
    itself = total["ended by itself, started again"]
    compared = (
        f"Changes made: {total['changes']:,}. Records compared: {total['records']:,}; {total['own']:,} of changes, "
        f"{total['caused']:,} with a cause, {total['read']:,} of rows read."
    )
    starts = (
        f"Starts of the job after the first: {total['restarts'] + itself:,}; in {itself:,} cases it had ended by "
        "itself, with the one line that it should."
    )
    past = (
        f"Changes found in the archive: {total['archived']:,}. Rows asked for at a moment of the past: "
        f"{total['rows asked of the past']:,}, with {total['versions told']:,} versions of their histories."
    )
    return [
        f"Seed {run.seed}: {total['rounds']} rounds, {struck} faults, {violations} violations, {run.took_s:.0f} s.",
        compared,
        f"Joined parts found among the versions that existed: {total['joined']:,}.",
        past,
        starts,
        f"Where history was lost: {total['passed over']:,} changes passed over, {total['repaired']:,} rows repaired.",
    ]
