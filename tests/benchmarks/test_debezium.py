"""Debezium as a subject, as far as it can be told without Java; `make bench-peers` tries the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import debezium
from benchmarks.debezium import ENGINE, JARS, SOURCES, Answer, parse_answer, peers, properties, settings
from benchmarks.processes import BenchmarkError


def test_the_engine_is_told_where_to_read_and_what_is_set_for_it() -> None:
    told = settings("mongodb://h:1/?replicaSet=rs0", "shop")
    assert told["mongodb.connection.string"] == "mongodb://h:1/?replicaSet=rs0"
    assert told["collection.include.list"] == "shop.movies,shop.users,shop.comments"
    assert ENGINE.items() <= told.items()


def test_values_survive_the_file_of_properties() -> None:
    assert properties({"a": "mongodb://h/?x=1", "b": " c\\d"}) == "a=mongodb://h/?x=1\nb=\\ c\\\\d\n"


def test_an_answer_of_the_harness_is_read() -> None:
    line = '{"entries": 5, "batches": 1, "seconds": 0.25, "total_s": 1.5, "cpu_s": 2.0}'
    assert parse_answer(line) == Answer(5, 1, 0.25, 1.5, 2.0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"error": "Debezium\'s engine ended: no primary"}', "Debezium's engine ended: no primary"),
        ("Exception in thread main", "expected a line of JSON from its harness, found 'Exception in thread main'"),
        ('{"entries": 5}', "expected a line of JSON"),
    ],
)
def test_a_run_that_failed_is_an_error_with_its_reason(line: str, reason: str) -> None:
    with pytest.raises(BenchmarkError, match=re.escape(reason)):
        parse_answer(line)


def test_it_is_built_when_all_its_jars_are_here_and_its_classes_are_of_these_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debezium, "FOLDER", tmp_path)
    assert not peers()
    for jar in JARS:
        (tmp_path / jar).touch()
    debezium.stamp().write_text(debezium.stamp_text(), encoding="ascii")
    assert [peer.name for peer in peers()] == [debezium.NAME]
    monkeypatch.setattr(debezium, "SOURCES", SOURCES[1:])
    assert not peers()


def test_the_harness_is_in_the_package_that_is_started() -> None:
    assert {source.name for source in SOURCES} == {"Capture.java", "Harness.java", "StreamWriter.java"}
    assert all(source.read_text(encoding="utf-8").startswith("package peer;\n") for source in SOURCES)
