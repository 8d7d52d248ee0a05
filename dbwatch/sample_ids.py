"""Keys of made-up rows: ObjectIds that are the same for the same seed."""

from __future__ import annotations

import hashlib
import struct

from bson.objectid import ObjectId

_FIRST_SECOND = 0x573A1390  # 16 May 2016, about when MongoDB's sample rows were made


def object_id(kind: str, number: int, *, seed: int | str) -> ObjectId:
    """The key of the row `number` (from 0) of one kind, ordered by number."""
    machine = hashlib.sha256(f"{seed}/{kind}".encode()).digest()[:5]
    return ObjectId(struct.pack(">I", _FIRST_SECOND + number // 1000) + machine + struct.pack(">I", number)[1:])
