"""Single fields of a BSON document by its bytes, for documents that cannot be decoded as a whole. Pure.

Source of the form: https://bsonspec.org/spec.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator

from connectors.errors import BadRecord

_FIXED = {
    0x01: 8,
    0x06: 0,
    0x07: 12,
    0x08: 1,
    0x09: 8,
    0x0A: 0,
    0x10: 4,
    0x11: 8,
    0x12: 8,
    0x13: 16,
    0x7F: 0,
    0xFF: 0,
}


def only(raw: bytes, *names: str) -> bytes:
    """The document with only these of its top-level fields, byte by byte as they were. Raises `BadRecord`."""
    wanted = {name.encode() for name in names}
    found: list[bytes] = []
    for name, start, end in _fields(raw):
        if name in wanted:
            found.append(raw[start:end])
            wanted.remove(name)
            if not wanted:
                break
    return _document(found)


def joined(documents: Iterable[bytes], *, without: Collection[str] = ()) -> bytes:
    """One document of the top-level fields of all, of each name the last, without some. Raises `BadRecord`."""
    fields = {name: raw[start:end] for raw in documents for name, start, end in _fields(raw)}
    for name in without:
        fields.pop(name.encode(), None)
    return _document(fields.values())


def _document(elements: Iterable[bytes]) -> bytes:
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _fields(raw: bytes) -> Iterator[tuple[bytes, int, int]]:
    try:
        yield from _elements(raw)
    except (struct.error, KeyError, ValueError, IndexError) as exc:
        raise BadRecord(f"a document of {len(raw)} bytes is not BSON") from exc


def _elements(raw: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The name of each top-level field, and from where to where its element goes: type, name and value."""
    offset = 4
    while raw[offset]:
        name_end = raw.index(b"\0", offset + 1)
        end = name_end + 1 + _size(raw, raw[offset], name_end + 1)
        if end >= len(raw):
            raise ValueError("a field ends behind the document")
        yield raw[offset + 1 : name_end], offset, end
        offset = end


def _size(raw: bytes, kind: int, offset: int) -> int:
    """How many bytes the value of this type takes that begins at `offset`."""
    if kind in _FIXED:
        return _FIXED[kind]
    return _VARIABLE[kind](raw, offset)


def _int32(raw: bytes, offset: int) -> int:
    (value,) = struct.unpack_from("<i", raw, offset)
    if value < 0:
        raise ValueError("a length below 0")
    return int(value)


def _string(raw: bytes, offset: int) -> int:
    return 4 + _int32(raw, offset)


def _binary(raw: bytes, offset: int) -> int:
    return 5 + _int32(raw, offset)


def _pointer(raw: bytes, offset: int) -> int:
    return 16 + _int32(raw, offset)


def _two_cstrings(raw: bytes, offset: int) -> int:
    return raw.index(b"\0", raw.index(b"\0", offset) + 1) + 1 - offset


_VARIABLE: dict[int, Callable[[bytes, int], int]] = {
    0x02: _string,
    0x03: _int32,
    0x04: _int32,
    0x05: _binary,
    0x0B: _two_cstrings,
    0x0C: _pointer,
    0x0D: _string,
    0x0E: _string,
    0x0F: _int32,
}
