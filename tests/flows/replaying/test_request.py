"""What is asked of a replay, and at which moment it ends when it goes on."""

from __future__ import annotations

import pytest

from connectors.archive.moment import Moment
from connectors.errors import ConfigError
from flows.replaying.request import Request, checked, moment_of, written

NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "-r", "x" * 65, "a:b"])
def test_a_name_must_fit_into_a_key_and_a_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a replay's name"):
        checked(Request(name))


def test_it_writes_into_a_stream_of_its_own_or_into_the_changes() -> None:
    assert checked(Request("a", into="changes"))
    with pytest.raises(ConfigError, match="expected changes"):
        checked(Request("a", into="rates"))


def test_now_is_the_time_of_the_first_call() -> None:
    first = moment_of(Request("a"), "", now_ms=NOW_MS)
    assert first == Moment.at(NOW_MS)
    for until in ("", "now", "15m"):
        assert moment_of(Request("a", until), written(first), now_ms=NOW_MS + 60_000) == first


def test_all_changes_of_a_cluster_time_belong_together() -> None:
    position = "6ab0a00000000003"
    moment = moment_of(Request("a", f"{position}.00000002"), "", now_ms=NOW_MS)
    assert moment.includes(f"{position}.00000009", 0)
    assert moment_of(Request("a", position), written(moment), now_ms=NOW_MS) == moment


def test_another_moment_than_the_one_it_began_with_is_refused_and_one_to_come_too() -> None:
    began = written(Moment.at(NOW_MS))
    with pytest.raises(ConfigError, match="as it was begun, not to"):
        moment_of(Request("a", "2026-01-01"), began, now_ms=NOW_MS)
    with pytest.raises(ConfigError, match="still to come"):
        moment_of(Request("a", "2099-01-01"), "", now_ms=NOW_MS)


def test_into_the_live_stream_it_ends_with_a_second_that_is_over() -> None:
    moment = moment_of(Request("a", "now", "changes"), "", now_ms=1_790_000_000_123)
    assert moment == Moment.at(1_789_999_999_999)
    assert moment_of(Request("a", "", "changes"), written(moment), now_ms=1_790_000_060_000) == moment


@pytest.mark.parametrize("until", ["1789999000123", "6ab1379800000007", "2026-09-21T13:56:40.5Z"])
def test_into_the_live_stream_a_moment_is_the_end_of_its_second(until: str) -> None:
    asked = Request("a", until, "changes")
    moment = moment_of(asked, "", now_ms=NOW_MS)
    assert moment == Moment.at(1_789_999_000_999)
    assert moment_of(asked, written(moment), now_ms=NOW_MS + 60_000) == moment


def test_with_a_snapshot_at_its_end_it_has_no_other_end_and_a_stream_of_its_own() -> None:
    assert checked(Request("a", "now", until_snapshot="s"))
    for request in Request("a", "15m", until_snapshot="s"), Request("a", "", "changes", until_snapshot="s"):
        with pytest.raises(ConfigError, match="cannot go together with"):
            checked(request)
