"""The types of a row's values that its plain JSON text does not tell, so that values can be made from it again. Pure.

`types_of` gives a small JSON object of the row's own nesting: for each value that is not of one of JSON's types a code,
`o` for an ObjectId, `d` for a date, and for all others `=` and the value in canonical extended JSON. Lists count as
objects with their indexes for names. A row of plain values has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from bson import json_util
from bson.codec_options import DatetimeConversion
from bson.objectid import ObjectId

from connectors.rows import key_text

_PLAIN = frozenset({str, int, bool, type(None)})
_READ = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def types_of(row: Mapping[str, Any]) -> str | None:
    """What restores the row's values from its JSON text; None when that tells all."""
    found = _of_items(row.items())
    return orjson.dumps(found).decode() if found else None


def restored(row: Any, types: str | None) -> Any:
    """The row's values from its JSON, decoded, and what `types_of` gave."""
    return row if types is None else _restored(row, orjson.loads(types))


def _of_items(items: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in items:
        kind = cast("type[object]", type(value))
        if kind in _PLAIN:
            continue
        if kind is ObjectId:
            found[name] = "o"
        elif kind is datetime:
            found[name] = "d"
        elif kind is dict:
            if below := _of_items(value.items()):
                found[name] = below
        elif kind is list:
            if below := _of_items((str(i), item) for i, item in enumerate(value)):
                found[name] = below
        elif not (isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))):
            found[name] = "=" + key_text(value)
    return found


def _restored(value: Any, types: Any) -> Any:
    if isinstance(types, str):
        return _value(value, types)
    below = cast("Mapping[str, Any]", types)
    if isinstance(value, list):
        items = list(cast("list[Any]", value))
        for index, code in below.items():
            items[int(index)] = _restored(items[int(index)], code)
        return items
    row = dict(value)
    for name, code in below.items():
        row[name] = _restored(row[name], code)
    return row


def _value(value: Any, code: str) -> Any:
    if code == "o":
        return ObjectId(value)
    if code == "d":
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    return json_util.loads(code[1:], json_options=_READ)
