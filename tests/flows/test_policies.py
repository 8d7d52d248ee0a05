"""What `dbwatch.toml` says of lost history, a stream that lost entries, and dead letters."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import ConfigError
from flows.policies import POLICY_KEYS, Policies, parse_policies
from flows.views import parse_views


def test_without_a_word_the_job_stops_rather_than_guess() -> None:
    assert parse_policies({}) == Policies("stop", "stop", 100)


def test_what_is_said_is_taken() -> None:
    config = {"on_history_lost": "resnapshot", "on_stream_lost": "repair", "dead_letters_per_minute": 0}
    assert parse_policies(config) == Policies("resnapshot", "repair", 0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"on_history_lost": "go on"}, 'on_history_lost: expected "stop" or "resnapshot", found \'go on\''),
        ({"on_stream_lost": "resnapshot"}, 'on_stream_lost: expected "stop" or "repair", found'),
        ({"on_stream_lost": True}, "on_stream_lost: expected"),
        ({"dead_letters_per_minute": -1}, "dead_letters_per_minute: expected a whole number from 0 to"),
        ({"dead_letters_per_minute": True}, "dead_letters_per_minute: expected a whole number"),
        ({"dead_letters_per_minute": "many"}, "found 'many'"),
    ],
)
def test_anything_else_is_named_with_its_choices(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_policies(config, file="x.toml")
    assert message in str(error.value)
    assert str(error.value).startswith("x.toml: ")


def test_the_policies_stand_beside_the_views_in_one_file() -> None:
    config: dict[str, Any] = {"views": {"movies": {}}, **dict.fromkeys(POLICY_KEYS, "x")}
    assert [view.name for view in parse_views(config).views] == ["movies"]
