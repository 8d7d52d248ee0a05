"""Figures that explain themselves."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.health.figures import Latency, Rates
from dashboard.health.findings import FIGURES, Finding, Sight, findings, strip, worst
from dashboard.health.flow_processes import Process, Trouble
from dashboard.health.vitals import Memory, Stream, Vitals

NOW_MS = 1_763_760_000_000
HOUR_S = 3600
GB = 1_000_000_000

PROCESS = Process(
    "0",
    NOW_MS - 500,
    NOW_MS - 600_000,
    "tail",
    ahead_ms=20,
    state_entries=58_657,
    headroom_s=31 * HOUR_S,
    oplog_spare_s=0,
    recovers=True,
    snapshot_age_s=3,
    epoch_s=5.0,
    store_bytes=114_000_000,
    source_ahead_ms=-5,
)
VITALS = Vitals(
    Memory(GB, 4 * GB, "noeviction"), (Stream("dbwatch:changes", 100_012, NOW_MS - 7_200_000, NOW_MS),), 0, None, 1
)
RATES = Rates({"movies": {"c": 12.0, "r": 30.0}}, (), Latency(11, 22, 33))
SIGHT = Sight(NOW_MS, (PROCESS,), RATES, VITALS)


def look(name: str, sight: Sight) -> Finding:
    return findings(sight)[name]


def with_process(**known: Any) -> Sight:
    return SIGHT._replace(processes=(PROCESS._replace(**known),))


def with_vitals(**known: Any) -> Sight:
    return SIGHT._replace(vitals=VITALS._replace(**known))


def test_a_flow_that_is_well_has_nothing_but_good_figures() -> None:
    found = findings(SIGHT)
    assert {finding.level for finding in found.values()} == {"ok"}
    assert worst(found.values()) == "ok"
    assert {name: finding.value for name, finding in found.items()} == {
        "rate": "42/s",
        "latency": "p95 22 ms",
        "lag": "none",
        "headroom": "position safe for 31 h",
        "memory": "25% of 4.0 GB",
        "letters": "none",
        "snapshot": "3 s ago",
        "feed": "100,012 entries",
        "state": "58,657 entries",
        "retries": "0",
        "processes": "1 of 1",
        "clocks": "agree",
    }
    assert found["feed"] == Finding("100,012 entries", detail="reaches back 2 h", since_ms=NOW_MS - 7_200_000)
    assert found["state"].detail == "114 MB in the recovery folder, none waits"
    assert found["latency"].detail == "p50 11 ms, p99 33 ms"


def test_every_figure_explains_itself_in_a_sentence() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert figure.meaning.endswith(".")
        assert len(figure.meaning) > 40
        assert len(figure.label) <= 14


def test_what_is_silent_has_no_figures_of_now() -> None:
    silent = SIGHT._replace(processes=(PROCESS._replace(heard_ms=NOW_MS - 6000),))
    found = findings(silent)
    for name in ("rate", "latency", "lag", "headroom", "snapshot", "retries", "state"):
        assert (found[name].value, found[name].level) == ("–", "unknown"), name
    assert (found["processes"].value, found["processes"].level) == ("0 of 1", "bad")
    assert found["memory"].level == "ok"


def test_of_several_processes_the_worst_counts_and_what_adds_up_is_summed() -> None:
    other = PROCESS._replace(
        name="1", lag_ms=25_000, headroom_s=5 * HOUR_S, snapshot_age_s=70, state_entries=1, retries=2, sink_retries=1
    )
    found = findings(SIGHT._replace(processes=(PROCESS, other), vitals=VITALS._replace(processes=2)))
    assert (found["lag"].value, found["lag"].level) == ("25 s", "warn")
    assert (found["headroom"].value, found["headroom"].level) == ("position safe for 5 h", "warn")
    assert (found["snapshot"].value, found["snapshot"].level) == ("70 s ago", "warn")
    assert found["state"].value == "58,658 entries"
    assert found["state"].detail.startswith("114 MB")  # of one folder that they share
    assert (found["retries"].value, found["retries"].detail) == (
        "3",
        "2 to read from MongoDB, 1 to write to Redis",
    )
    assert found["processes"].value == "2 of 2"


def test_one_process_of_several_that_is_gone_is_bad() -> None:
    gone = PROCESS._replace(name="1", heard_ms=NOW_MS - 9000)
    assert look("processes", SIGHT._replace(processes=(PROCESS, gone)))[:2] == ("1 of 2", "bad")
    assert look("processes", with_vitals(processes=3))[:2] == ("1 of 3", "bad")
    assert look("processes", SIGHT._replace(processes=(), vitals=Vitals()))[:2] == ("none", "bad")


@pytest.mark.parametrize(
    ("known", "name", "value", "level"),
    [
        ({"lag_ms": 400}, "lag", "none", "ok"),
        ({"lag_ms": 10_500}, "lag", "10 s", "warn"),
        ({"lag_ms": 600_000}, "lag", "10 min", "bad"),
        ({"headroom_s": HOUR_S}, "headroom", "position safe for 60 min", "bad"),
        ({"headroom_s": HOUR_S, "oplog_spare_s": None}, "headroom", "position safe for 60 min", "warn"),
        ({"headroom_s": 60, "oplog_spare_s": 40 * HOUR_S}, "headroom", "position safe for 40 h", "ok"),
        ({"headroom_s": 60, "oplog_spare_s": 4 * HOUR_S}, "headroom", "position safe for 4 h", "ok"),
        ({"headroom_s": 60, "oplog_spare_s": HOUR_S}, "headroom", "position safe for 61 min", "warn"),
        ({"headroom_s": 2 * HOUR_S, "oplog_spare_s": 2 * HOUR_S}, "headroom", "position safe for 4 h", "warn"),
        ({"headroom_s": None}, "headroom", "not known", "unknown"),
        ({"snapshot_age_s": 130}, "snapshot", "2 min ago", "bad"),
        ({"snapshot_age_s": None}, "snapshot", "none yet", "bad"),
        ({"snapshot_age_s": None, "started_ms": NOW_MS - 4000}, "snapshot", "none yet", "unknown"),
        ({"recovers": False, "snapshot_age_s": None}, "snapshot", "none kept", "warn"),
        ({"away": Trouble("gone", NOW_MS)}, "retries", "0", "warn"),
        ({"source_ahead_ms": 2520}, "clocks", "2.5 s apart", "warn"),
        ({"ahead_ms": -9000, "source_ahead_ms": None}, "clocks", "9.0 s apart", "bad"),
        ({"ahead_ms": None}, "clocks", "not known", "unknown"),
    ],
)
def test_a_figure_of_the_flow_warns_at_its_limit(known: dict[str, Any], name: str, value: str, level: str) -> None:
    finding = look(name, with_process(**known))
    assert (finding.value, finding.level) == (value, level)
    if level in ("warn", "bad") and name not in ("retries", "snapshot"):
        assert finding.todo


@pytest.mark.parametrize(
    ("known", "name", "value", "level"),
    [
        ({"memory": Memory(5 * GB, 0, "noeviction")}, "memory", "5.0 GB", "ok"),
        ({"memory": Memory(85, 100, "noeviction")}, "memory", "85% of 100 B", "warn"),
        ({"memory": Memory(96, 100, "noeviction")}, "memory", "96% of 100 B", "bad"),
        ({"memory": Memory(1, 100, "allkeys-lru")}, "memory", "1 B", "bad"),
        ({"memory": None}, "memory", "not known", "unknown"),
        ({"dead_letters": 3, "last_letter_ms": NOW_MS - 10_000}, "letters", "3", "bad"),
        ({"dead_letters": 3, "last_letter_ms": NOW_MS - 4_000_000}, "letters", "3", "warn"),
        ({"dead_letters": None}, "letters", "not known", "unknown"),
        ({"streams": (Stream("a", 1, NOW_MS), Stream("b", 0))}, "feed", "1 entry in 2 streams", "ok"),
        ({"streams": (Stream("a", 0),)}, "feed", "empty", "ok"),
        ({"streams": ()}, "feed", "not known", "unknown"),
    ],
)
def test_a_figure_of_redis_warns_at_its_limit(known: dict[str, Any], name: str, value: str, level: str) -> None:
    finding = look(name, with_vitals(**known))
    assert (finding.value, finding.level) == (value, level)
    if level in ("warn", "bad"):
        assert finding.todo


def test_which_clock_is_wrong_and_which_way_is_said() -> None:
    assert "MongoDB is ahead of Redis: latencies" in look("clocks", with_process(source_ahead_ms=2520)).detail
    assert look("clocks", with_process(ahead_ms=9000, source_ahead_ms=9000)).detail == "process 0 is behind Redis"


@pytest.mark.parametrize(("p95", "level"), [(999, "ok"), (1001, "warn"), (10_001, "bad")])
def test_a_latency_is_judged_by_what_a_person_would_notice(p95: float, level: str) -> None:
    assert look("latency", SIGHT._replace(rates=RATES._replace(latency=Latency(1, p95, p95)))).level == level


def test_without_changes_there_is_no_latency() -> None:
    assert look("latency", SIGHT._replace(rates=RATES._replace(latency=None)))[:2] == ("–", "unknown")


def test_a_lag_counted_up_to_its_bound_is_at_least_that() -> None:
    assert look("lag", with_process(lag_ms=20_000, lag_events=100_000)).detail == "at least 100,000 changes to read"
    assert look("lag", with_process(lag_ms=20_000, lag_events=12)).detail == "12 changes to read"


def test_always_in_sight_are_a_few_and_whatever_is_not_well() -> None:
    assert [told["name"] for told in strip(findings(SIGHT))] == ["lag", "headroom", "memory", "letters", "snapshot"]
    assert strip(findings(SIGHT))[1] == {"name": "headroom", "label": "Oplog", "value": "safe for 31 h", "level": "ok"}
    told = {told["name"]: told["level"] for told in strip(findings(with_process(ahead_ms=-9000)))}
    assert told["clocks"] == "bad"
    assert "feed" not in told
