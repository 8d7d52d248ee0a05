"""The answers of the health panel, on a real server."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from connectors.dead_letters import DeadLetter
from connectors.errors import ConfigError, TransientError
from connectors.redis_client import connect
from connectors.settings import Keys
from dashboard.access.roles import Hidden
from dashboard.answers import health as answers
from dashboard.answers.health import MOST_LETTERS, deadletters, health
from tests.dashboard.asking import asked


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


def put(client: Redis, keys: Keys, count: int) -> None:
    for n in range(count):
        letter = DeadLetter("join", "users", f"u{n}", "u", "p", 5, f"KeyError: secret {n}", '{"after":{"email":"x@y"}}')
        client.xadd(keys.deadletter, {**letter.to_fields(at_ms=7)}, f"{n + 1}000-0")


def test_the_newest_letters_come_first_with_their_reason_and_without_their_event(redis_url: str, keys: Keys) -> None:
    with connect(redis_url) as client:
        put(client, keys, 3)
        client.xadd(keys.deadletter, {"schema": "9"}, "9000-0")
    told = asked(redis_url, keys, deadletters, {"most": 2})
    assert told["total"] == 4
    assert told["letters"][0]["error"].startswith("a dead letter of schema '9'")
    assert told["letters"][1] == {
        "id": "3000-0",
        "atMs": 3000,
        "stage": "join",
        "view": "users",
        "key": "u2",
        "op": "u",
        "error": "KeyError: secret 2",
    }
    assert "x@y" not in str(told)


def test_a_role_from_which_fields_are_hidden_is_not_told_errors_that_may_quote_them(
    redis_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(redis_url) as client:
        put(client, keys, 1)

    def hidden(_role: str) -> frozenset[Hidden]:
        return frozenset((Hidden("users", "email"),))

    monkeypatch.setattr("dashboard.asks.hidden_paths", hidden)
    told = asked(redis_url, keys, deadletters, {}, role="viewer")
    assert told["letters"][0]["error"] == "(not shown to your role)"


@pytest.mark.parametrize("most", [0, MOST_LETTERS + 1, -1, "5", True, None, 2.5, [1]])
def test_a_number_of_letters_that_makes_no_sense_is_refused(redis_url: str, keys: Keys, most: Any) -> None:
    with pytest.raises(ConfigError, match="expected a whole number from 1 to 50"):
        asked(redis_url, keys, deadletters, {"most": most})


def test_without_letters_there_are_none(redis_url: str, keys: Keys) -> None:
    assert asked(redis_url, keys, deadletters, {}) == {"total": 0, "letters": []}


def test_while_nothing_has_been_read_that_is_said(redis_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind:
        seen = None

    monkeypatch.setattr(answers, "reader", Blind)
    with pytest.raises(TransientError, match="has not read Redis yet"):
        asked(redis_url, keys, health, {})
