"""The metrics of a process, as a scraper reads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connectors.mongo_state import Oplog, SourceProgress
from flows.gauges import JoinGauges
from flows.health import Health
from flows.metrics import SPECS, STATES, FactsCollector
from flows.rates import Interval


def scrape(health: Health, now_ms: int = 10_000) -> Callable[..., float | None]:
    registry = CollectorRegistry()
    registry.register(FactsCollector(lambda: health.facts(now_ms)))
    text = generate_latest(registry).decode()
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float | None:
        return samples.get((name, frozenset(labels.items())))

    return value


@pytest.fixture
def health() -> Health:
    join = JoinGauges()
    join.stage("rows").add(entries=7, pending=2)
    health = Health(started_ms=2000, join=join)
    health.on_progress(SourceProgress("tail-0", "tail", "movies", 3, 0, "05", 5000, retries=2))
    return health


def test_a_process_that_has_just_begun_tells_what_it_knows_and_nothing_else() -> None:
    value = scrape(Health(started_ms=2000))
    assert value("dbwatch_state", state="starting") == 1
    assert sum(value("dbwatch_state", state=state) or 0 for state in STATES) == 1
    assert value("dbwatch_start_time_seconds") == 2
    assert value("dbwatch_oplog_headroom_seconds") is None
    assert value("dbwatch_checkpoint_age_seconds") is None
    assert value("dbwatch_write_latency_seconds_count") == 0
    assert value("dbwatch_writer") is None


def test_position_lag_and_headroom_are_told_in_seconds(health: Health) -> None:
    health.on_oplog(Oplog(server_ms=9000, oldest_ms=1000, behind=12))
    value = scrape(health)
    age_s = value("dbwatch_position_age_seconds", partition="tail-0")
    assert age_s == pytest.approx(4.0, abs=0.5)
    assert value("dbwatch_lag_seconds", partition="tail-0") == age_s
    assert value("dbwatch_oplog_headroom_seconds") == 4
    assert value("dbwatch_lag_events") == 12


def test_records_are_counted_by_view_and_operation_and_add_up(health: Health) -> None:
    for _ in range(2):
        health.on_interval(Interval({("movies", "c"): 2, ("comments", "caused"): 1}, [3, 40, 7000], 3, 5))
    value = scrape(health)
    assert value("dbwatch_records_written_total", view="movies", op="c") == 4
    assert value("dbwatch_records_written_total", view="comments", op="caused") == 2
    assert value("dbwatch_duplicates_skipped_total") == 10
    assert value("dbwatch_write_latency_seconds_count") == 6
    assert value("dbwatch_write_latency_seconds_bucket", le="0.05") == 4
    assert value("dbwatch_write_latency_seconds_bucket", le="+Inf") == 6
    assert value("dbwatch_write_latency_seconds_sum") == pytest.approx(14.086)


def test_a_flow_that_is_held_back_shows_and_so_do_the_attempts(health: Health) -> None:
    assert scrape(health)("dbwatch_held") == 0
    health.on_held("OOM", 1)
    health.on_retry()
    value = scrape(health)
    assert value("dbwatch_held") == 1
    assert value("dbwatch_held_seconds") == pytest.approx(0, abs=0.5)
    assert value("dbwatch_retries_total", edge="sink") == 1
    assert value("dbwatch_retries_total", edge="source") == 2
    assert value("dbwatch_answers", server="redis") == 0
    assert value("dbwatch_answers", server="mongodb") == 1
    assert value("dbwatch_state", state="holding") == 1


def test_what_the_dataflow_took_and_what_is_read_ahead(health: Health) -> None:
    health.on_poll("tail-0", 10, 30)
    health.on_poll("tail-0", 5, 20)
    value = scrape(health)
    assert value("dbwatch_changes_read_total", partition="tail-0") == 15
    assert value("dbwatch_read_ahead_changes") == 20


def test_state_and_what_waits_in_it_are_told_by_stage(health: Health) -> None:
    value = scrape(health)
    assert value("dbwatch_join_state_entries", stage="rows") == 7
    assert value("dbwatch_join_pending", stage="rows") == 2


def test_generation_writer_and_dead_letters_are_those_that_were_told(health: Health) -> None:
    health.on_generation(3)
    health.on_writer(is_writer=True)
    health.on_dead_letters(2)
    health.on_store(4096)
    value = scrape(health)
    assert value("dbwatch_recovery_store_bytes") == 4096
    assert (value("dbwatch_generation"), value("dbwatch_writer"), value("dbwatch_dead_letters_total")) == (3, 1, 2)


def test_names_are_unique_and_say_their_unit_and_kind() -> None:
    names = [spec.name for spec in SPECS]
    assert len(set(names)) == len(names)
    for spec in SPECS:
        assert spec.name.startswith("dbwatch_")
        assert spec.name.endswith("_total") == (spec.kind == "counter"), spec.name
        assert spec.kind != "histogram" or spec.name.endswith("_seconds")
        assert spec.help.endswith(".")
