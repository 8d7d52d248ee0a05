"""`python -m tests.faults`: run the fault suite."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.catalogue import FAULTS
from tests.faults.report import as_json, as_markdown, as_text, failures
from tests.faults.runner import Ask, run

_DEFAULT_MINUTES = 10.0


def main() -> int:
    """Returns 0 when all was as promised, 1 on a violation, 2 for a wrong option, 130 when interrupted."""
    given = _parser().parse_args()
    if given.list:
        for name, fault in FAULTS.items():
            print(f"{name:28} {fault.summary()}")
        return 0
    only = tuple(name for name in str(given.only or "").split(",") if name)
    if unknown := [name for name in only if name not in FAULTS]:
        sys.stderr.write(f"tests.faults: error: no fault is called {unknown[0]!r}; --list names them all\n")
        return 2
    seed = given.seed if given.seed is not None else random.SystemRandom().getrandbits(32)
    minutes = given.minutes if given.minutes is not None else None if given.rounds else _DEFAULT_MINUTES
    ask = Ask(seed, minutes, given.rounds, only, given.random)
    for number in (signal.SIGINT, signal.SIGTERM):  # the first also where a shell had it ignored
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="dbwatch-faults-"))
    print(f"seed {seed}", flush=True)
    try:
        found = run(ask, folder, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"interrupted; seed {seed}", flush=True)
        return 130
    print(f"\n{as_text(found)}")
    if given.report:
        text = as_json(found) if given.report.suffix == ".json" else as_markdown(found)
        given.report.write_text(text, encoding="utf-8")
    for failure in failures(found):
        print(f"failed: {failure}")
    if not failures(found):
        shutil.rmtree(folder, ignore_errors=True)
    return int(bool(failures(found)))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Run the job through faults on real servers, and hold every record against what really happened: "
        "each fault once, then random rounds until the time is up.",
    )
    parser.add_argument("--seed", type=int, help="of the run; that of a round repeats its plan and its workload")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="go on with random rounds until then (default: 10)")
    length.add_argument("--rounds", type=int, help="so many rounds and no more")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", metavar="FAULT,...", help="only these faults, one a round")
    which.add_argument("--random", action="store_true", help="no pass of every fault, only random rounds")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures to a .md or .json file too")
    return parser


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads of drivers may still wait for servers that are gone
