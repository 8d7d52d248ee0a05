"""What the job does when it cannot simply go on: `Policies`, checked values made from `dbwatch.toml`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from connectors.errors import ConfigError

T = TypeVar("T", bound=str)
OnHistoryLost = Literal["stop", "resnapshot"]
OnStreamLost = Literal["stop", "repair"]


@dataclass(frozen=True, slots=True)
class Policies:
    """The keys of `dbwatch.toml` outside its tables.

    `on_history_lost`: the source no longer holds the changes after our position. `on_stream_lost`: Redis no longer
    holds what was written. Either stops, or reads the collections again and writes what differs from the feed.
    `dead_letters_per_minute`: how many events may be set aside within a minute before the job stops.
    """

    on_history_lost: OnHistoryLost = "stop"
    on_stream_lost: OnStreamLost = "stop"
    dead_letters_per_minute: int = 100


POLICY_KEYS = ("on_history_lost", "on_stream_lost", "dead_letters_per_minute")
_MOST_LETTERS = 1_000_000


def parse_policies(config: Mapping[str, Any], *, file: str = "dbwatch.toml") -> Policies:
    """The policies of a parsed `dbwatch.toml`; raises `ConfigError` that names the file, the key and the choices."""
    usual = Policies()
    return Policies(
        on_history_lost=_choice(config, "on_history_lost", ("stop", "resnapshot"), usual.on_history_lost, file),
        on_stream_lost=_choice(config, "on_stream_lost", ("stop", "repair"), usual.on_stream_lost, file),
        dead_letters_per_minute=_count(config, "dead_letters_per_minute", usual.dead_letters_per_minute, file),
    )


def _choice(config: Mapping[str, Any], key: str, choices: tuple[T, ...], default: T, file: str) -> T:
    value = config.get(key, default)
    if value not in choices:
        listed = " or ".join(f'"{choice}"' for choice in choices)
        raise ConfigError(f"{file}: {key}: expected {listed}, found {str(value)[:40]!r}")
    return cast("T", value)


def _count(config: Mapping[str, Any], key: str, default: int, file: str) -> int:
    value: object = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_LETTERS:
        raise ConfigError(
            f"{file}: {key}: expected a whole number from 0 to {_MOST_LETTERS}, found {str(value)[:40]!r}"
        )
    return value
