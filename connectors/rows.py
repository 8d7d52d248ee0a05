"""Rows as values: BSON to plain JSON, keys as text, masks, projections and the paths in which two rows differ. Pure.

JSON values are plain: an ObjectId is its 24 hex digits, a date ISO 8601 in UTC with `Z`, a Decimal128 a string, binary
base64; NaN and the infinities, which JSON does not have, are null. The rarer BSON types are listed in
`docs/records.md`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, TypeGuard, cast

import orjson
from bson import json_util
from bson.codec_options import DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.errors import InvalidId
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from connectors.errors import BadRecord

Row = Mapping[str, Any]
"""A row, or a sub-document of one, as it is decoded."""

_TO_JSON = orjson.dumps
_ORJSON = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
_SCALARS = frozenset({str, int, float, bool, type(None)})
_MS_PER_DAY = 86_400_000
_INT64 = range(-(1 << 63), 1 << 63)
_OBJECT_ID_DIGITS = 24
_READ_KEY = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def dumps(row: Any) -> str:
    """Plain JSON text of a value decoded from BSON; raises `BadRecord` for what JSON cannot hold."""
    try:
        return _TO_JSON(row, _plain, _ORJSON).decode()
    except (TypeError, orjson.JSONEncodeError) as exc:
        raise _no_json(exc) from exc


def canonical_dumps(value: Any) -> str:
    """The same with sorted field names, so that equal values give equal text."""
    try:
        return _TO_JSON(value, _plain, _ORJSON | orjson.OPT_SORT_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError) as exc:
        raise _no_json(exc) from exc


def loads(text: str) -> Any:
    """The value of a row's JSON text."""
    return orjson.loads(text)


def _no_json(exc: Exception) -> BadRecord:
    return BadRecord(f"a value cannot be written as JSON: {exc}")


def _plain(value: Any) -> Any:
    """What a BSON type that JSON does not know becomes."""
    if type(value) is ObjectId:  # nearly all are
        return value.binary.hex()
    match value:
        case ObjectId() | Decimal128():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case DatetimeMS():
            return iso_of_ms(int(value))
        case Timestamp():
            return {"t": value.time, "i": value.inc}
        case Regex():
            return {"pattern": str(cast("Regex[str]", value).pattern), "flags": value.flags}
        case DBRef():
            return cast("Row", value.as_doc())
        case MinKey():
            return {"$minKey": 1}
        case MaxKey():
            return {"$maxKey": 1}
        case _:
            raise TypeError(f"no JSON form for a value of type {type(value).__name__}")


def iso_of_ms(ms: int) -> str:
    """ISO 8601 in UTC of any Unix time in milliseconds, also of years that Python's `datetime` lacks.

    Years outside 0 to 9999 are written with a sign and six or more digits (ISO 8601's expanded form, as ECMAScript has
    it). The calendar is the proleptic Gregorian one, from days as in Hinnant's `civil_from_days`.
    """
    days, ms_of_day = divmod(ms, _MS_PER_DAY)
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    seconds, millis = divmod(ms_of_day, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    fraction = f".{millis:03}000" if millis else ""
    written_year = f"{year:04}" if 0 <= year <= 9999 else f"{year:+07}"
    return f"{written_year}-{month:02}-{day:02}T{clock}{fraction}Z"


def key_text(value: Any) -> str:
    """A row's key: an ObjectId as its 24 hex digits, anything else as canonical extended JSON, so that 5 and "5"
    differ.

    Source of the form: the MongoDB Extended JSON v2 specification, canonical mode, with the spaces of
    `bson.json_util`'s default, so that a consumer makes the same text with one call.
    """
    if type(value) is ObjectId:
        return value.binary.hex()
    if type(value) is str:  # as json_util writes it, in a twentieth of the time
        return encode_basestring_ascii(value)
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


def key_value(key: str) -> Any:
    """The value whose `key_text` this is; raises `BadRecord` for a text that is none."""
    if len(key) == _OBJECT_ID_DIGITS and ObjectId.is_valid(key):
        return ObjectId(key)
    try:
        return json_util.loads(key, json_options=_READ_KEY)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, InvalidId) as exc:
        raise BadRecord(f"{key[:80]!r} is not a key: {exc}") from exc


def ref_text(value: Any) -> str | None:
    """A foreign key in comparable form: equal texts for values that MongoDB calls equal; None for null or missing.

    As `key_text`, but numbers of equal value are one text whatever their BSON type, as in MongoDB's comparison order.
    """
    if type(value) is ObjectId:
        return value.binary.hex()
    if type(value) is str:
        return encode_basestring_ascii(value)
    return None if value is None else key_text(_comparable(value))


def _comparable(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        if not number.is_finite():
            return float("nan") if number.is_nan() else float(number)
        as_float = float(number)
        if number == number.to_integral_value() and _INT64.start <= number < _INT64.stop:
            return Int64(int(number))
        return as_float if math.isfinite(as_float) and number == Decimal(as_float) else value
    if isinstance(value, int):
        return Int64(value)
    if isinstance(value, float) and value.is_integer() and _INT64.start <= value < _INT64.stop:
        return Int64(int(value))
    if _is_row(value):
        return {k: _comparable(v) for k, v in value.items()}
    if _is_array(value):
        return [_comparable(v) for v in value]
    return value


def ref_of_key(key: str) -> str:
    """The foreign key in comparable form that refers to a row by its key."""
    if key[0] == '"' or (len(key) == _OBJECT_ID_DIGITS and key[0] not in "{["):
        return key
    return ref_text(json_util.loads(key, json_options=_READ_KEY)) or key


def at(row: Any, path: str) -> Any:
    """The value at a dotted path through sub-documents, None when there is none."""
    for step in path.split("."):
        row = _opened(row)
        if not _is_row(row) or step not in row:
            return None
        row = row[step]
    return row


def shaped(row: Row, mask: Sequence[str], fields: Sequence[str] | None) -> Row:
    """The row with only `fields` (None: all) and without what is masked; paths reach through arrays of
    sub-documents.
    """
    kept = row if fields is None else project(row, fields)
    return without(kept, mask) if mask else kept


def project(row: Row, fields: Sequence[str]) -> dict[str, Any]:
    """Only the named paths, in their own nesting, in the order of `fields`; a path that is not there is left out."""
    return _project(row, _tree(tuple(fields)))


def without(row: Row, paths: Sequence[str]) -> dict[str, Any]:
    """All but the named paths, however a path is cut into names: also a field that is literally called `a.b`."""
    return _without(row, _tree(tuple(paths)))


def covers(paths: Sequence[str], path: str) -> bool:
    """Whether `path` is one of `paths` or lies below one."""
    return any(path == p or path.startswith(p + ".") for p in paths)


def touch(paths: Sequence[str], others: Sequence[str]) -> bool:
    """Whether a path of one is, lies below or lies above a path of the other."""
    return any(covers(paths, path) for path in others) or any(covers(others, path) for path in paths)


def changed_paths(before: Any, after: Any) -> list[str]:
    """The leaf paths in which two rows differ, in the order of `after`, then what is gone. An array is one leaf."""
    out: list[str] = []
    _add_changed(before, after, "", out)
    return out


def leaf_paths(value: Any, path: str) -> Iterator[str]:
    """The leaves at and below `path`. An array, an empty sub-document and a plain value are leaves."""
    if _is_row(value) and value:
        for name, item in value.items():
            yield from leaf_paths(item, f"{path}.{name}" if path else name)
    else:
        yield path


def _is_row(value: Any) -> TypeGuard[Row]:
    return type(value) is dict or isinstance(
        value, Mapping
    )  # the first is what a row nearly always is, and quick to see


def _opened(value: Any) -> Any:
    """A sub-document that the codec gives as a value of its own, as a sub-document again."""
    return value.as_doc() if isinstance(value, DBRef) else value


def _is_array(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _add_changed(before: Any, after: Any, path: str, out: list[str]) -> None:
    if type(after) in _SCALARS and type(after) is type(before):  # nearly all
        if before != after:
            out.append(path)
    elif _is_row(before) and _is_row(after) and (path == "" or (before and after)):
        _add_changed_within(before, after, f"{path}." if path else "", out)
    elif _is_row(after) and after:
        out += leaf_paths(after, path)
    elif _is_row(before) and before:
        out.append(path)
        out += leaf_paths(before, path)
    elif type(before) is not type(after) or before != after or (_is_array(after) and not _same_text(before, after)):
        out.append(path)


def _add_changed_within(before: Row, after: Row, prefix: str, out: list[str]) -> None:
    for name, value in after.items():
        if name in before:
            _add_changed(before[name], value, prefix + name, out)
        else:
            out += leaf_paths(value, prefix + name)
    for name, value in before.items():
        if name not in after:
            out += leaf_paths(value, prefix + name)


def _same_text(before: Any, after: Any) -> bool:
    """For arrays, in which Python takes 1 for `true` and for 1.0."""
    return canonical_dumps(before) == canonical_dumps(after)


@lru_cache(maxsize=1024)
def _tree(paths: tuple[str, ...]) -> dict[str, Any]:
    """Paths as nested names; an empty dict is "the whole of it". A path below another adds nothing to it."""
    tree: dict[str, Any] = {}
    for path in sorted(paths, key=lambda p: p.count(".")):
        node, steps = tree, path.split(".")
        for i, step in enumerate(steps):
            if step in node and not node[step]:
                break
            node = node.setdefault(step, {})
            if i == len(steps) - 1:
                node.clear()
    return {name: tree[name] for name in dict.fromkeys(p.split(".")[0] for p in paths)}


def _project(value: Any, tree: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, below in tree.items():
        if name in value:
            item = _opened(value[name]) if below else value[name]
            if not below:
                out[name] = item
            elif _is_row(item):
                out[name] = _project(item, below)
            elif _is_array(item):
                out[name] = [_project(i, below) for i in item if _is_row(i)]
    return out


def _without(value: Row, tree: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, item in value.items():
        below = tree.get(name)
        if below is None and "." in name:
            below = _below(name, tree)
        if below is None:
            out[name] = item
        elif below:
            out[name] = _without_below(item, below)
    return out


def _below(name: str, tree: dict[str, Any]) -> dict[str, Any] | None:
    """What is named below a field whose name has dots in it, None for nothing, an empty one for the whole of it."""
    for step in name.split("."):
        if step not in tree:
            return None
        tree = tree[step]
        if not tree:
            break
    return tree


def _without_below(item: Any, tree: dict[str, Any]) -> Any:
    item = _opened(item)
    if _is_row(item):
        return _without(item, tree)
    if _is_array(item):
        return [_without_below(i, tree) for i in item]
    return item
