"""Logs: one line an event."""

from __future__ import annotations

import json
from collections.abc import Generator

import pytest
import structlog

from connectors import logs


@pytest.fixture(autouse=True)
def as_before() -> Generator[None]:
    yield
    structlog.reset_defaults()


def test_an_event_is_one_line_of_json_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger().info("started", view="movies", text="two\nlines")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    event = json.loads(lines[0])
    assert event["event"] == "started"
    assert event["view"] == "movies"
    assert event["level"] == "info"
    assert event["timestamp"].endswith("Z")


def test_an_error_is_one_line_of_json_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        raise ValueError("found nothing")
    except ValueError:
        structlog.get_logger().exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["exception"][0]["exc_value"] == "found nothing"


def test_a_person_reads_words_instead(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(as_json=False)
    structlog.get_logger().info("started", view="movies")
    assert "started" in capsys.readouterr().err


@pytest.mark.parametrize("verbose", [False, True])
def test_only_a_verbose_process_tells_details(capsys: pytest.CaptureFixture[str], verbose: bool) -> None:
    logs.configure(verbose=verbose)
    structlog.get_logger().debug("detail")
    assert ("detail" in capsys.readouterr().err) == verbose


def test_a_traceback_tells_no_value_of_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(as_json=True)
    row = {"password": "never to be seen".upper()}
    try:
        raise ValueError(f"{len(row)} row found")
    except ValueError:
        structlog.get_logger().exception("failed")
    told = capsys.readouterr().err
    assert "test_logs.py" in told
    assert "NEVER TO BE SEEN" not in told
