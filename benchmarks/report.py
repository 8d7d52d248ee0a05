"""The page of all that was measured, from the results alone, so that it can be made anew without measuring. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import targets
from benchmarks.bench import minutes

_HEAD = """\
# Performance

What DB Watch can do on one machine, what that costs, and what the machine itself and others can do beside it. The page
is written by `make bench` from what it measured; the raw figures are in [performance.json](performance.json).
"""

_READING = """\
Everything runs on this one machine, servers included, over loopback, on real servers with real data. Figures of
another machine differ; ratios differ less, so the targets are ratios where they can be. Subjects take turns, and a
figure is the median of its runs, with the least and the most.
"""

_REPEAT = """\
## Repeat it

```sh
make bench         # all of it, 30 minutes at most; writes this page
make bench-quick   # less data, one round, a few minutes; writes build/bench/performance.md
.venv/bin/python -m benchmarks --only backlog --subjects join --rounds 5   # some of it
.venv/bin/python -m benchmarks --report-only --out docs                    # this page again, from performance.json
```

Close what else works on the machine: a line below the title says so if something did.
"""


def page(found: Mapping[str, Any], section: Callable[[str, Mapping[str, Any]], str]) -> str:
    """`found` is what performance.json holds; `section` gives an experiment's part of the page."""
    experiments: Mapping[str, Mapping[str, Any]] = found["experiments"]
    parts = [_HEAD, *_warnings(found), _READING, _machine(found["machine"]), "## Targets\n", targets.table(experiments)]
    missed = targets.missed(experiments)
    parts += [f"### What is missed, and what it would take\n\n{missed}"] if missed else []
    parts += [section(name, result).rstrip() + "\n" for name, result in experiments.items()]
    took = ", ".join(
        f"{minutes(result['took_s'])} for {name}" for name, result in experiments.items() if "took_s" in result
    )
    return "\n".join([*parts, _REPEAT, *([f"This run took {took}.\n"] if took else [])])


def _machine(machine: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine.items())]) + "\n"


def _warnings(found: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    if any(result.get("quick") for result in found["experiments"].values()):
        lines.append("**A quick run, with less data and few rounds: figures to look at, not to quote.**\n")
    if "other work" in found["machine"]:
        lines.append("**Something else worked on the machine meanwhile: the figures are worth less.**\n")
    return lines
