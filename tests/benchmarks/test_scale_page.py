"""What the page says of several processes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.results import Run
from benchmarks.scale import subjects
from benchmarks.scale_page import PROCESSES, costs_of, figures, job_name, plots, section, streams_name


def run(rate: float, job: float, mongod: float, valkey: float) -> dict[str, Any]:
    cpu, memory = {"job": job, "mongod": mongod, "valkey": valkey}, {"job": 200.0, "mongod": 300.0, "valkey": 100.0}
    return Run(rate, 0, cpu, memory).as_json()


@pytest.fixture
def result() -> dict[str, Any]:
    of_jobs = {job_name(n): [run(10_000 + 1000 * n, 90 + 10 / n, 20 + 10 * n, 10)] * 2 for n in PROCESSES}
    of_streams = {streams_name(n): [run(40_000, 3, 5 + 10 * n, 0)] * 2 for n in PROCESSES}
    sizes = {"comments": 100_000}
    found = {"sizes": sizes, "rounds": 2, "cores": 2, "subjects": of_jobs | of_streams}
    return json.loads(json.dumps(found))


def test_every_subject_of_the_page_is_measured() -> None:
    assert {subject.name for subject in subjects()} == {f(n) for n in PROCESSES for f in (job_name, streams_name)}


def test_figures_are_ratios_to_one_process(result: dict[str, Any]) -> None:
    assert figures(result) == {"processes_2_against_1": 12 / 11, "processes_4_against_1": 14 / 11}


def test_the_section_has_measurements_formulas_and_forecasts(result: dict[str, Any]) -> None:
    told = section(result)
    assert "| 2 | 12,000 (12,000 to 12,000) | 1.09 | 95.0 | 40.0 | 10.0 | 200 |" in told
    assert "| 4 | 45.0 | 3.00 | 11.2 |" in told
    assert "`streams(n) = 5.0 + 10.0 * n`" in told
    assert "| processes | 2 cores | 4 cores | 8 cores | 16 cores |" in told
    assert costs_of(result).job.slope == 0  # several were cheaper than one: noise, not a gift


def test_the_plot_is_that_which_the_section_shows(result: dict[str, Any]) -> None:
    assert [f"img/{name}.svg" in section(result) for name in plots(result)] == [True]
