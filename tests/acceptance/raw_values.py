"""Values of every BSON type, written byte by byte, also such as no driver writes; and what JSON `docs/records.md` says
they become, read back from the bytes by means of its own.
"""

from __future__ import annotations

import base64
import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from bson.decimal128 import Decimal128
from hypothesis import strategies as st

from connectors.rows import iso_of_ms

Json = Any
_FLAGS = {"i": 2, "l": 4, "m": 8, "s": 16, "u": 32, "x": 64}  # Python's numbers, which JSON has


class Unreadable(Exception):
    """Bytes of which nobody can say what they mean."""


class Value(NamedTuple):
    """The number of a BSON type, and the value's bytes."""

    kind: int
    raw: bytes


def document(fields: list[tuple[bytes, Value]]) -> bytes:
    body = b"".join(bytes([value.kind]) + name + b"\0" + value.raw for name, value in fields)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _string(raw: bytes) -> bytes:
    return struct.pack("<i", len(raw) + 1) + raw + b"\0"


def _binary(subtype: int, raw: bytes) -> bytes:
    if subtype == 2:
        raw = struct.pack("<i", len(raw)) + raw
    return struct.pack("<i", len(raw)) + bytes([subtype]) + raw


def _regex(pattern: bytes, flags: set[str]) -> Value:
    return Value(0x0B, pattern + b"\0" + "".join(sorted(flags)).encode() + b"\0")


def _pointer(namespace: bytes, object_id: bytes) -> Value:
    return Value(0x0C, _string(namespace) + object_id)


def _binary_value(subtype: int, raw: bytes) -> Value:
    return Value(0x05, _binary(subtype, raw))


_bytes = st.binary(max_size=12)
_text = st.text(max_size=12).map(str.encode) | st.sampled_from([b"\xff\xfe", b"a\xc0\x80", b"\xed\xa0\x80", b"a\0b"])
_cstring = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8).map(str.encode)
_int64 = st.integers(-(1 << 63), (1 << 63) - 1)
_kinds: list[st.SearchStrategy[Value]] = [
    st.floats().map(lambda v: Value(0x01, struct.pack("<d", v))),
    _text.map(lambda v: Value(0x02, _string(v))),
    st.builds(_binary_value, st.integers(0, 255), _bytes),
    st.just(Value(0x06, b"")),
    st.binary(min_size=12, max_size=12).map(lambda v: Value(0x07, v)),
    st.booleans().map(lambda v: Value(0x08, bytes([v]))),
    _int64.map(lambda v: Value(0x09, struct.pack("<q", v))),
    st.just(Value(0x0A, b"")),
    st.builds(_regex, _cstring, st.sets(st.sampled_from("imsxlu"))),
    st.builds(_pointer, _cstring, st.binary(min_size=12, max_size=12)),
    _text.map(lambda v: Value(0x0D, _string(v))),
    _text.map(lambda v: Value(0x0E, _string(v))),
    _text.map(lambda v: Value(0x0F, struct.pack("<i", 4 + len(_string(v)) + 5) + _string(v) + document([]))),
    st.integers(-(1 << 31), (1 << 31) - 1).map(lambda v: Value(0x10, struct.pack("<i", v))),
    st.integers(0, (1 << 64) - 1).map(lambda v: Value(0x11, struct.pack("<Q", v))),
    _int64.map(lambda v: Value(0x12, struct.pack("<q", v))),
    st.binary(min_size=16, max_size=16).map(lambda v: Value(0x13, v)),
    st.sampled_from([Value(0x7F, b""), Value(0xFF, b"")]),
]
names = st.one_of(
    _cstring,
    st.sampled_from([b"a.b", b"$a", b"", b".", b"a..b", b"$ref", b"$id", b"$db", b"\xf0\x9f\x98\x80", b"n" * 300]),
    st.just(b"\xff"),
)


def _fields(values: st.SearchStrategy[Value]) -> st.SearchStrategy[list[tuple[bytes, Value]]]:
    """Of different names: a mongod 6.0.5 aborts when a row with two of one name is changed by a pipeline."""
    return st.lists(st.tuples(names, values), max_size=4, unique_by=lambda field: field[0])


def _nested(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    rows = _fields(values).map(lambda f: Value(0x03, document(f)))
    arrays = st.lists(values, max_size=4).map(
        lambda vs: Value(0x04, document([(str(i).encode(), v) for i, v in enumerate(vs)]))
    )
    return rows | arrays


values = st.recursive(st.one_of(_kinds), _nested, max_leaves=8)
fields = _fields(values)


def json_of(raw: bytes) -> Json:
    """What a document becomes. Raises `Unreadable`."""
    return _row(raw, 0)[0]


def _row(raw: bytes, at: int) -> tuple[dict[str, Json], int]:
    end = at + struct.unpack_from("<i", raw, at)[0]
    at += 4
    out: dict[str, Json] = {}
    while raw[at]:
        kind, name_end = raw[at], raw.index(b"\0", at + 1)
        out[_utf8(raw[at + 1 : name_end])], at = _value(raw, kind, name_end + 1)
    return out, end


def _value(raw: bytes, kind: int, at: int) -> tuple[Json, int]:
    size = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16}.get(kind)
    if size is not None:
        return _fixed(kind, raw[at : at + size]), at + size
    if kind in (0x06, 0x0A):
        return None, at
    if kind in (0x7F, 0xFF):
        return {"$maxKey": 1} if kind == 0x7F else {"$minKey": 1}, at
    if kind in (0x03, 0x04):
        row, end = _row(raw, at)
        return (row if kind == 0x03 else list(row.values())), end
    if kind == 0x0B:
        middle = raw.index(b"\0", at)
        end = raw.index(b"\0", middle + 1)
        flags = sum(_FLAGS[flag] for flag in _utf8(raw[middle + 1 : end]))
        return {"pattern": _utf8(raw[at:middle]), "flags": flags}, end + 1
    if kind == 0x0F:
        return _utf8_string(raw, at + 4)[0], at + struct.unpack_from("<i", raw, at)[0]
    if kind == 0x05:
        return _binary_of(raw, at)
    text, end = _utf8_string(raw, at)
    if kind == 0x0C:
        return {"$ref": text, "$id": raw[end : end + 12].hex()}, end + 12
    return text, end


def _fixed(kind: int, raw: bytes) -> Json:
    match kind:
        case 0x01:
            number = struct.unpack("<d", raw)[0]
            return number if math.isfinite(number) else None
        case 0x07:
            return raw.hex()
        case 0x08:
            return bool(raw[0])
        case 0x09:
            return _date(struct.unpack("<q", raw)[0])
        case 0x11:
            inc, seconds = struct.unpack("<II", raw)
            return {"t": seconds, "i": inc}
        case 0x13:
            return str(Decimal128.from_bid(raw))
        case _:
            return int.from_bytes(raw, "little", signed=True)


def _date(ms: int) -> str:
    try:
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    except OverflowError:
        return iso_of_ms(ms)
    return date.isoformat(timespec="microseconds" if date.microsecond else "seconds").replace("+00:00", "Z")


def _binary_of(raw: bytes, at: int) -> tuple[str, int]:
    size, subtype = struct.unpack_from("<iB", raw, at)
    inner = raw[at + 5 : at + 5 + size]
    return base64.b64encode(inner[4:] if subtype == 2 else inner).decode(), at + 5 + size


def _utf8_string(raw: bytes, at: int) -> tuple[str, int]:
    end = at + 4 + struct.unpack_from("<i", raw, at)[0]
    return _utf8(raw[at + 4 : end - 1]), end


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise Unreadable from exc
