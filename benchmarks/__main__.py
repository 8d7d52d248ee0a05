"""`python -m benchmarks`: run the experiments on real servers and write down what they found."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks import kept
from benchmarks.bench import Bench, Progress
from benchmarks.experiments import MODULES, experiment
from benchmarks.machine import machine
from benchmarks.processes import ROOT
from connectors.errors import DBWatchError

_INTERRUPTED = 130


def _names(_context: click.Context, _parameter: click.Parameter, given: str | None) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()] if given else list(MODULES)
    for name in names:
        if name not in MODULES:
            raise click.BadParameter(f"expected {', '.join(MODULES)}; found {name!r}")
    return names


@click.command(name="benchmarks", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Less data and a single round: figures to look at, not to quote.")
@click.option("--only", "names", metavar="NAME,...", callback=_names, help=f"Some of: {', '.join(MODULES)}.")
@click.option("--rounds", type=click.IntRange(1, 50), help="How often the subjects take turns (3; quick: 1).")
@click.option("--subjects", default="", metavar="TEXT", help="Of the backlog, only subjects with this in their name.")
@click.option("--report-only", is_flag=True, help="Measure nothing; write the page anew from what was found before.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "build" / "bench",
    show_default="build/bench",
    help="Folder for page, plots and figures; experiments that are not run keep what stands there.",
)
def main(*, quick: bool, names: list[str], rounds: int | None, subjects: str, report_only: bool, out: Path) -> None:
    """Measure the job on real servers of this machine, beside the limits of the machine and the peers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="dbwatch-bench-"))
    try:
        about = {} if report_only else machine()
        for name in [] if report_only else names:
            bench = Bench(folder / name, Progress(name), quick, rounds or (1 if quick else 3), subjects)
            kept.add(out, name, _run(name, bench), machine=about)
        print(f"written: {kept.write(out)}")
    except KeyboardInterrupt:
        sys.stderr.write("benchmarks: interrupted\n")
        sys.exit(_INTERRUPTED)
    except DBWatchError as exc:
        sys.stderr.write(f"benchmarks: error: {exc}\n")
        sys.exit(exc.exit_status)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(name: str, bench: Bench) -> dict[str, Any]:
    began_s = time.monotonic()
    bench.folder.mkdir()
    result = experiment(name).run(bench)
    shutil.rmtree(bench.folder, ignore_errors=True)
    print(f"\n{experiment(name).section(result)}", flush=True)
    return {"quick": bench.quick, "took_s": round(time.monotonic() - began_s), **result}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
