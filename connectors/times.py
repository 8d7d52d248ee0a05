"""Moments as people write them: ISO 8601, Unix milliseconds, or an age. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from connectors.errors import ConfigError
from connectors.rows import iso_of_ms

_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LARGEST_SHORT_NUMBER = 10_000_000_000  # as milliseconds still April 1970, as seconds the year 2286
_AGE = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def unix_ms(text: str, *, now_ms: int) -> int | None:
    """The moment in Unix milliseconds; None for a text that is none.

    A moment is ISO 8601 (without an offset: UTC), Unix milliseconds, or an age such as `90s`, `15m`, `2h`, `7d`.
    Raises `ConfigError` for a number that looks like seconds.
    """
    given = text.strip()
    if age := _AGE.fullmatch(given):
        return now_ms - int(age[1]) * _UNIT_MS[age[2]]
    if re.fullmatch(r"\d{1,15}", given, re.ASCII):
        return _checked_ms(int(given), text)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MS


def is_age(text: str) -> bool:
    """Whether a moment is written as an age, and so is another one each time."""
    return _AGE.fullmatch(text.strip()) is not None


def _checked_ms(number: int, text: str) -> int:
    if number < _LARGEST_SHORT_NUMBER:
        raise ConfigError(f"{text!r} looks like seconds; a moment as a number is Unix milliseconds: {number * 1000}?")
    return number


def written(ms: int) -> str:
    """A Unix time in milliseconds as ISO 8601 in UTC, to the millisecond, as `unix_ms` reads it."""
    return iso_of_ms(ms).replace("000Z", "Z")


def to_the_second(ms: int) -> str:
    """The same without what goes beyond the second."""
    return iso_of_ms(ms // 1000 * 1000)
