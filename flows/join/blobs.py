"""What a slot holds, as bytes: a head with its number, and chunks, each compressed. Pure.

number (8 bytes), kind (1 byte), then for each chunk: length (4 bytes), Zstandard of a pickle of `(is_all, dumped)`
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from backports import zstd

_COMPRESSION = 1
"""Of Zstandard: the fastest of its usual levels."""

_NUMBER_BYTES = 8
_LENGTH_BYTES = 4
_EMPTIED, _WRITTEN = range(2)

Chunk = tuple[bool, Mapping[str, Any]]
"""`(is_all, dumped)`: by the name of a part what its `dump_all` or its `dump` gave."""


def packed(chunk: Chunk) -> bytes:
    """A chunk as it stands in a slot."""
    found = zstd.compress(pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL), _COMPRESSION)
    return len(found).to_bytes(_LENGTH_BYTES) + found


def written(number: int, chunks: Iterable[bytes]) -> bytes:
    """A slot with these chunks, which are to be read in their order."""
    return b"".join((_head(number, _WRITTEN), *chunks))


def emptied(base: int) -> bytes:
    """A slot with nothing: what it may have held is in a `base` of this number or a higher one."""
    return _head(base, _EMPTIED)


def head_of(blob: bytes) -> bytes:
    """As much as says its number and whether it was emptied."""
    return blob[: _NUMBER_BYTES + 1]


def number_of(blob: bytes) -> int:
    return int.from_bytes(blob[:_NUMBER_BYTES])


def is_emptied(blob: bytes) -> bool:
    return blob[_NUMBER_BYTES] == _EMPTIED


def chunks_of(blob: bytes) -> Iterator[Chunk]:
    at, view = _NUMBER_BYTES + 1, memoryview(blob)
    while at < len(blob):
        end = at + _LENGTH_BYTES + int.from_bytes(view[at : at + _LENGTH_BYTES])
        yield pickle.loads(zstd.decompress(view[at + _LENGTH_BYTES : end]))  # noqa: S301  # our own bytes
        at = end


def _head(number: int, kind: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES) + bytes((kind,))
