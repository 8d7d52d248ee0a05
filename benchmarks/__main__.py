"""`python -m benchmarks`: run the experiments on real servers and write down what they found."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.bench import Bench, Progress
from benchmarks.experiments import MODULES, experiment
from benchmarks.processes import ROOT
from connectors.errors import DBWatchError

_INTERRUPTED = 130
_FILE = "performance.json"


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
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "build" / "bench",
    show_default="build/bench",
    help="Folder for what was found; experiments that were not run keep what stands there.",
)
def main(*, quick: bool, names: list[str], rounds: int | None, out: Path) -> None:
    """Measure the job on real servers of this machine, beside the limits of the machine and the peers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="dbwatch-bench-"))
    try:
        for name in names:
            bench = Bench(folder / name, Progress(name), quick, rounds or (1 if quick else 3))
            bench.folder.mkdir()
            result = experiment(name).run(bench)
            _keep(out, name, {"quick": quick, **result})
            print(experiment(name).section(result))
            shutil.rmtree(bench.folder, ignore_errors=True)
    except KeyboardInterrupt:
        sys.stderr.write("benchmarks: interrupted\n")
        sys.exit(_INTERRUPTED)
    except DBWatchError as exc:
        sys.stderr.write(f"benchmarks: error: {exc}\n")
        sys.exit(exc.exit_status)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(out: Path, name: str, result: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    file = out / _FILE
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known[name] = result
    file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
