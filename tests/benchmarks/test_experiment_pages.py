"""The pages of the latency and the growth experiment, made of made-up traces through the same figures."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from benchmarks import archive_page, growth_figures, growth_page, latency_figures, latency_page
from benchmarks.growth import Plan as GrowthPlan
from benchmarks.latency import Plan as LatencyPlan
from benchmarks.results import Run
from benchmarks.trace import Moments, Shown, Trace


def trace(rate: int, seconds: float, *, slow_from_s: float = 1e9, slow_to_s: float = 1e9) -> Trace:
    """Latency of some ms, and of up to a second at the end of every fifth, or while something slow goes on."""
    rng = random.Random(rate)
    moments: list[Moments] = []
    for i in range(round(rate * seconds)):
        at_s = i / rate
        pause_s = max(0.0, 0.2 - at_s % 5)
        wait_ms = (
            rng.lognormvariate(1.5, 0.4) + 1000 * pause_s + max(0.0, slow_to_s - at_s) * 1000 * (at_s >= slow_from_s)
        )
        acked = 1000 * at_s + rng.lognormvariate(1, 0.3)
        moments.append(Moments("comment", 1000 * at_s, 1000 * at_s, acked, acked + wait_ms, acked + wait_ms, f"{i}-0"))
    return Trace(moments, [(7, 6000.0 + 20 * i) for i in range(50)], 0, float(rate), 1000 * seconds + 5000)


def latency() -> dict[str, Any]:
    rates: dict[str, Any] = {}
    for rate in (10, 1000):
        made = trace(rate, 12)
        drawn_ms = [m.read + 30 for m in made.moments if m.read is not None]
        shown = Shown([m.entry_id or "" for m in made.moments], [ms - 10 for ms in drawn_ms], drawn_ms)
        rates[str(rate)] = {**latency_figures.to_feed(made), "page": latency_figures.to_page(made, shown)}
    killed = trace(1000, 30, slow_from_s=10, slow_to_s=20)
    recovery = {"rate_per_s": 1000, **latency_figures.recovery(killed, killed_ms=10_000, started_ms=15_000)}
    plan = LatencyPlan()._asdict()
    return {"plan": plan, "rates": rates, "recovery": recovery, "figures": latency_figures.of_rates(rates)}


def growth() -> dict[str, Any]:
    steady = {**growth_figures.steady(trace(1000, 12)), "cpu_share": 0.3, "from_s": 40.0, "to_s": 60.0}
    speed = {"per_s": 10_000.0, "cpu_s_per_million": 90.0}
    line = [(float(second), min(second, 50) * 1_000_000) for second in range(70)]
    size = {"documents": 10_000, "first_read": speed, "backlog": speed, "peak_mb": 300.0, "store_bytes": 9_000_000}
    sizes = {rows: {**size, "steady": steady, "store_line": line} for rows in ("10000", "100000", "1000000")}
    fan_out = growth_figures.fan_out(trace(1000, 15), number=7, at_ms=5000, count=50)
    resume: dict[str, Any] = {"first_entry_s": 9.0, "caught_up_s": 14.0, "peak_mb": 400.0}
    resume["without_epochs"] = {**steady, "cpu_share": 0.28}
    result = {"plan": GrowthPlan()._asdict(), "sizes": sizes, "fan_outs": [fan_out], "resume": resume}
    return {**result, "figures": growth_figures.of_result(result)}


def through_json(result: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(result))


def test_the_latency_page_says_what_the_targets_are_about() -> None:
    result = through_json(latency())
    assert set(result["figures"]) == {"redis_p50_ms", "redis_p99_ms", "cell_p95_ms"}
    text = latency_page.section(result)
    assert "| 1,000 (1,000), acknowledged | 12,000 |" in text
    assert "started again 5 s later" in text
    assert "{" not in text


def test_the_latency_page_says_so_when_there_was_no_browser() -> None:
    result = latency()
    for found in result["rates"].values():
        del found["page"]
    assert "no browser was found" in latency_page.section(result)
    assert set(latency_figures.of_rates(result["rates"])) == {"redis_p50_ms", "redis_p99_ms"}


def test_the_growth_page_says_what_the_targets_are_about() -> None:
    result = through_json(growth())
    assert set(result["figures"]) == {"rows", "memory_gib", "resume_s", "fan_out_others_p99_ms", "epoch_share"}
    assert 0.03 < result["figures"]["epoch_share"] < 0.05  # the feed's silence, which is longer than the CPU time
    text = growth_page.section(result)
    assert "| 1,000,000 | 10,000 (90) |" in text
    assert "epochs took 2.0% of the time" in text
    assert "{" not in text


def test_every_plot_that_a_page_shows_is_drawn() -> None:
    for page, result in ((latency_page, latency()), (growth_page, growth())):
        for name, figure in page.plots(through_json(result)).items():
            assert f"img/{name}.svg" in page.section(result)
            figure.draw_without_rendering()


def test_the_archives_page_holds_the_runs_of_each_round_against_each_other() -> None:
    def runs(*rates: float) -> list[dict[str, Any]]:
        return [Run(rate, 0, {"job": 30.5}, {"job": 120.0}).as_json() for rate in rates]

    names = [name for pair in archive_page.PAIRS for name in pair]
    rates = [(8_000.0, 9_000.0), (10_000.0, 10_000.0), (5_000.0, 6_000.0), (10_000.0, 6_000.0)]
    subjects = {name: runs(*of_one) for name, of_one in zip(names, rates, strict=True)}
    result = through_json({"subjects": subjects, "bytes_per_change": {names[0]: [70.0, 80.0]}})
    assert archive_page.figures(result) == pytest.approx(
        {"archived_against_not": 0.85, "plain_archived_against_not": 0.75}
    )
    page = archive_page.section(result)
    assert f"| {names[0]} | 8,500 (8,000 to 9,000) | 30.5 | 120 | 75 |" in page
    assert f"| {names[0]} | {names[1]} | 0.85 (0.80 to 0.90) |" in page
