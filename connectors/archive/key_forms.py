"""A row's key as a person types it. Pure."""

from __future__ import annotations

import re
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from connectors.errors import BadRecord, ConfigError
from connectors.rows import key_text, key_value

_INT32 = range(-(1 << 31), 1 << 31)
_INT64 = range(-(1 << 63), 1 << 63)
_LIKE = '24 hex digits, plain text, a number, or as a record\'s `key` has it ("text", {"$numberInt": "5"})'


def key_forms(text: str) -> tuple[str, ...]:
    """The keys that a text can mean, as records have them: its exact form, then what else it may stand for.

    A shell takes the quotes from a key that is text, and nobody types `{"$numberInt": "5"}`: so other text stands for
    itself, and a number for a number of any type and for its digits. Raises `ConfigError` for a text that is no key.
    """
    given = text.strip()
    if given[:1] in ('"', "{"):
        return (key_text(_exact(given)),)
    if not given or given[0] == "[":
        raise ConfigError(f"{text[:80]!r} is no key: expected {_LIKE}")
    if re.fullmatch(r"[0-9a-fA-F]{24}", given, re.ASCII):
        return given.lower(), key_text(given)
    if re.fullmatch(r"-?(0|[1-9]\d{0,18})(\.\d{1,15})?", given, re.ASCII):
        return (*map(key_text, _numbers(given)), key_text(given))
    if given in ("true", "false", "null"):
        return key_text(key_value(given)), key_text(given)
    return (key_text(given),)


def _exact(given: str) -> Any:
    try:
        return key_value(given)
    except BadRecord as exc:
        raise ConfigError(f"{given[:80]!r} is no key: expected {_LIKE}") from exc


def _numbers(given: str) -> list[Any]:
    """The numbers of each type that are written like this."""
    if "." in given:
        return [float(given), Decimal128(given)]
    number = int(given)
    found: list[Any] = [number] if number in _INT32 else []
    if number in _INT64:
        found.append(Int64(number))
    return [*found, float(number), Decimal128(given)]
