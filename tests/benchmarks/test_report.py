"""The page of what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import kept
from benchmarks.__main__ import main
from benchmarks.backlog_page import compared, figures, runs_of, section
from benchmarks.experiments import experiment
from benchmarks.names import CLUSTER, DEBEZIUM, FULL, FULL_OFF
from benchmarks.report import page
from tests.docs.pages import DOCS

COST = {
    "cpu_s_per_million": {"job": 50, "mongod": 5, "valkey": 4},
    "peak_mb": {"job": 100, "mongod": 500, "valkey": 80},
}


def run(rate_per_s: float, caused: int = 0) -> dict[str, object]:
    return {"rate_per_s": rate_per_s, "caused": caused, **COST}


RESULT: dict[str, Any] = {
    "quick": False,
    "sizes": {"movies": 2, "users": 1, "comments": 300_000, "film_updates": 4, "title_changes": 5},
    "written": {"own": {}, "reached": 30_000},
    "rounds": 3,
    "subjects": {
        FULL: [run(18_000, 7), run(20_000, 7), run(22_000, 7)],
        FULL_OFF: [run(20_000), run(20_000), run(20_000)],
        CLUSTER: [run(24_000), run(24_000), run(24_000)],
        DEBEZIUM: [run(16_000), run(16_000), run(16_000)],
    },
    "profile": {"samples": 10, "rate_hz": 200, "stages": [["join", 7]], "functions": [["apply (flows/x.py)", 4]]},
}


def test_subjects_are_compared_within_each_round() -> None:
    ratios = compared(runs_of(RESULT))
    assert ratios["recovery_against_none"].values == (0.9, 1.0, 1.1)
    assert figures(ratios) == {
        "full_against_debezium": 1.25,
        "recovery_against_none": 1.0,
        "best_against_debezium": 1.5,
    }


def test_the_section_tells_rates_ratios_costs_and_the_profile() -> None:
    text = section(RESULT)
    assert f"| {FULL} | 20,000 (18,000 to 22,000) | 7 |" in text
    assert f"| {FULL} | {FULL_OFF} | 1.00 (0.90 to 1.10) |" in text
    assert f"| {FULL} | 50.0 | 5.0 | 4.0 | 100 | 500 | 80 |" in text
    assert "| join | 70.0% |" in text
    assert "| `apply (flows/x.py)` | 40.0% |" in text


def test_the_page_warns_of_quick_runs_and_of_other_work() -> None:
    found: dict[str, Any] = {"machine": {"processor": "2 cores"}, "experiments": {"backlog": RESULT}}
    text = page(found, lambda _name, _result: "## Backlog\n")
    assert "**" not in text.partition("## Targets")[0]
    found = {"machine": {"other work": "load 9"}, "experiments": {"backlog": {**RESULT, "quick": True}}}
    text = page(found, lambda _name, _result: "## Backlog\n")
    assert "**A quick run" in text
    assert "**Something else worked" in text


def test_the_page_and_its_plots_are_made_anew_from_what_was_kept(tmp_path: Path) -> None:
    found: dict[str, Any] = {"machine": {"processor": "2 cores"}, "experiments": {"backlog": RESULT}}
    (tmp_path / "performance.json").write_text(json.dumps(found), encoding="utf-8")
    done = CliRunner().invoke(main, ["--report-only", "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert section(RESULT).rstrip() in (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert (tmp_path / "img" / "backlog.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_without_anything_kept_one_line_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--report-only", "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 2
    assert "performance.json: expected what `python -m benchmarks` has found" in done.stderr


def test_results_of_other_experiments_stay_and_a_damaged_file_gives_way(tmp_path: Path) -> None:
    file = tmp_path / "performance.json"
    file.write_text('{"backlog": {}}', encoding="utf-8")
    kept.add(tmp_path, "latency", {"b": 2}, machine={"processor": "2 cores"})
    kept.add(tmp_path, "backlog", {"a": 1}, machine={"processor": "2 cores"})
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found["experiments"].items()) == [("backlog", {"a": 1}), ("latency", {"b": 2})]


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--rounds", "0"]])
def test_a_wrong_option_is_an_error_of_use(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 2


def test_the_page_in_docs_is_the_one_that_its_figures_make() -> None:
    """Make it anew with `python -m benchmarks --report-only --out docs`."""
    found = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    text = page(found, lambda name, result: experiment(name).section(result))
    assert (DOCS / "performance.md").read_text(encoding="utf-8") == text
