"""What a filter means, evaluated in the plainest way: everything is decoded, nothing is skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any as AnyValue
from typing import cast

import orjson

from dashboard.filters.conditions import (
    All,
    Any,
    Cause,
    Changed,
    Compare,
    Condition,
    Exists,
    Flag,
    Key,
    Moment,
    Not,
    Null,
    Number,
    Operation,
    Text,
    View,
    Words,
)

SAME_KEYS = ("5", '"5"', '{"$numberInt": "5"}', '{"$numberLong": "5"}')


def holds(condition: Condition | None, fields: Mapping[str, str]) -> bool:
    match condition:
        case None:
            return True
        case All(conditions):
            return min(holds(part, fields) for part in conditions)
        case Any(conditions):
            return max(holds(part, fields) for part in conditions)
        case Not(inner):
            return not holds(inner, fields)
        case Words() | Exists() | Compare():
            return holds_in_row(condition, fields)
        case _:
            return holds_of_record(condition, fields)


def holds_of_record(condition: View | Operation | Key | Cause | Changed, fields: Mapping[str, str]) -> bool:
    match condition:
        case View(name):
            return fields["view"] == name
        case Operation(op):
            return fields["op"] == op
        case Key(text):
            return fields["key"] in (SAME_KEYS if text == "5" else (text, json.dumps(text)))
        case Cause(lookup):
            return "cause" in fields and (lookup is None or fields["cause"] == lookup)
        case Changed(path):
            return any(f"{one}.".startswith(f"{path}.") for one in json.loads(fields.get("changed", "[]")))


def holds_in_row(condition: Words | Exists | Compare, fields: Mapping[str, str]) -> bool:
    row = orjson.loads(fields.get("after", fields.get("before", "{}")))
    match condition:
        case Words(text):
            return any(text.casefold() in shown(leaf) for leaf in [fields["key"], *flat(row, deep=True)])
        case Exists(path):
            return bool(list(at(row, path.split("."))))
        case Compare(path, sign, value):
            found = list(at(row, path.split(".")))
            if sign.startswith("!"):
                return not compares(found, "=" if sign == "!=" else "~", value)
            return compares(found, sign, value)


def compares(found: list[AnyValue], sign: str, value: AnyValue) -> bool:
    one_by_one = [item for one in found for item in flat(one)]
    if isinstance(value, Null):
        return not found or None in [item for item in one_by_one if item is None]
    return any(compare(item, sign, value) for item in one_by_one)


def compare(item: AnyValue, sign: str, value: AnyValue) -> bool:
    match value:
        case Flag(flag):
            return isinstance(item, bool) and item == flag
        case Text(text) if sign == "~":
            return not isinstance(item, dict) and item is not None and text.casefold() in shown(item)
        case Text(text):
            return isinstance(item, str) and ordered(item, sign, text)
        case Number(number):
            as_number = spelled(item)
            return as_number is not None and ordered(as_number, sign, number)
        case Moment(text):
            if not isinstance(item, str) or (moment := instant(item)) is None:
                return False
            start = instant(text)
            assert start is not None
            length = {10: timedelta(days=1), 17: timedelta(minutes=1), 20: timedelta(seconds=1)}.get(len(text))
            if length is None:
                return ordered(moment, sign, start)
            end = start.replace(tzinfo=None) + (length - timedelta(microseconds=1))  # the last one that is in it
            last = end.replace(tzinfo=UTC)
            return {
                "=": start <= moment <= last,
                "<": moment < start,
                "<=": moment <= last,
                ">": moment > last,
                ">=": moment >= start,
            }[sign]
        case _:
            raise AssertionError(value)


def ordered(left: AnyValue, sign: str, right: AnyValue) -> bool:
    return {"=": left == right, "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign]


def spelled(item: AnyValue) -> float | int | None:
    if isinstance(item, bool) or item is None or isinstance(item, dict):
        return None
    if isinstance(item, str):
        return {"8": 8, "8.5": 8.5, "1E+2": 100.0}.get(item, _digits(item))
    return item


def _digits(item: str) -> int | None:
    return int(item) if item.isascii() and item.removeprefix("-").isdigit() else None


def instant(text: str) -> datetime | None:
    if len(text) < 10 or text[4:5] != "-":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def shown(leaf: AnyValue) -> str:
    if leaf is None:
        return ""
    return leaf.casefold() if isinstance(leaf, str) else _number(leaf)


def _number(leaf: AnyValue) -> str:
    return orjson.dumps(leaf).decode()


def flat(value: AnyValue, *, deep: bool = False) -> Iterator[AnyValue]:
    if isinstance(value, list):
        items = cast("list[AnyValue]", value)
        for item in items:
            yield from flat(item, deep=deep)
    elif deep and isinstance(value, dict):
        inside = cast("dict[str, AnyValue]", value)
        for item in inside.values():
            yield from flat(item, deep=True)
    else:
        yield value


def at(value: AnyValue, steps: list[str]) -> Iterator[AnyValue]:
    if not steps:
        yield value
    elif isinstance(value, dict):
        for cut in range(1, len(steps) + 1):
            name = ".".join(steps[:cut])
            if name in value:
                yield from at(value[name], steps[cut:])
    elif isinstance(value, list):
        items = cast("list[AnyValue]", value)
        for place, item in enumerate(items):
            if steps[0] == str(place):
                yield from at(item, steps[1:])
            if isinstance(item, dict | list):
                yield from at(item, steps)
