"""The gate stands in front of our page, and of nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dashboard.gate import APP, gate, serves_dashboard
from tests.dashboard.serving import serving


@pytest.mark.parametrize(
    ("argv", "ours"),
    [
        (["panel", "serve", str(APP)], True),
        (["panel", "serve", "--port", "5006", "/elsewhere/dashboard/app.py"], True),
        (["panel", "serve", "other.py"], False),
        (["panel", "serve", "/elsewhere/app.py"], False),
        (["panel", "convert", str(APP)], False),
        (["pytest"], False),
    ],
)
def test_it_knows_the_command_that_serves_the_dashboard(argv: list[str], ours: bool) -> None:
    assert serves_dashboard(argv) is ours


def test_other_programs_are_left_alone() -> None:
    assert gate(["panel", "serve", "other.py"]) is False


def test_panel_is_told_of_it_by_its_entry_point() -> None:
    found = [point.value for point in entry_points(group="panel.auth") if point.name == "dbwatch"]
    assert found == ["dashboard.gate:gate"]


def test_importing_panel_for_another_program_loads_none_of_it() -> None:
    code = (
        "import sys, panel.auth; from bokeh.settings import settings; "
        "sys.exit(bool(settings.auth_module()) or 'dashboard.access.sign_in' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def served(env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What the command says before it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "panel", "serve", str(APP), "--port", "0"],
        env={**os.environ, **env},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DBWATCH_STREAM_SHARDS", "many", "expected a whole number"),
        ("REDIS_URL", "http://127.0.0.1", "expected an address"),
        ("DBWATCH_CONFIG", "gone.toml", "no such file"),
    ],
)
def test_a_setting_that_cannot_work_is_one_line_and_status_2(name: str, value: str, says: str, tmp_path: Path) -> None:
    done = served({name: value}, tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_without_its_file_it_says_that_nothing_is_hidden(redis_url: str, prefix: str, tmp_path: Path) -> None:
    with serving({"REDIS_URL": redis_url, "DBWATCH_PREFIX": prefix}, tmp_path, cwd=tmp_path) as server:
        assert "page.no_file" in server.log
        assert "no field is hidden" in server.log


def test_redis_that_does_not_let_us_in_is_one_line_and_status_2(redis_url: str, tmp_path: Path) -> None:
    done = served({"REDIS_URL": redis_url.replace("://", "://nobody:hunter2hunter2@")}, tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr
