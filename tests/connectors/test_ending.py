"""How a job ends: the first error counts, and whoever waits is woken."""

from __future__ import annotations

import threading
import time

import pytest

from connectors.ending import Ending
from connectors.errors import ConfigError, DBWatchError


def test_a_requested_end_has_no_error() -> None:
    ending = Ending()
    assert not ending.requested
    ending.request()
    assert ending.requested
    assert ending.error is None


def test_the_first_error_is_kept_and_asks_for_the_end() -> None:
    ending = Ending()
    first = ConfigError("first")
    ending.fail(first)
    ending.fail(DBWatchError("second"))
    assert ending.error is first
    assert ending.requested


def test_an_error_after_a_request_is_still_reported() -> None:
    ending = Ending()
    ending.request()
    ending.fail(ConfigError("late"))
    assert isinstance(ending.error, ConfigError)


def test_a_wait_ends_when_the_end_is_requested_and_says_so() -> None:
    ending = Ending()
    assert ending.wait(0.001) is False
    threading.Timer(0.02, ending.request).start()
    began_s = time.monotonic()
    assert ending.wait(30) is True
    assert time.monotonic() - began_s < 10


def test_who_cannot_go_on_raises_where_there_is_no_process_to_end() -> None:
    ending = Ending()
    error = ConfigError("lost")
    with pytest.raises(ConfigError, match="lost"):
        ending.abandon(error)
    assert ending.error is error


def test_who_cannot_go_on_ends_the_process_with_the_error_known() -> None:
    ending = Ending()
    seen: list[DBWatchError | None] = []

    def leave() -> None:
        seen.append(ending.error)
        raise SystemExit(2)

    ending.on_abandon(leave)
    with pytest.raises(SystemExit):
        ending.abandon(ConfigError("lost"))
    assert isinstance(seen[0], ConfigError)
