"""The record of the feed, as it stands in a Redis stream, and the order of its versions. Pure.

The format is a contract: `docs/records.md` describes every field.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from connectors.changes import Op
from connectors.errors import BadRecord

SCHEMA = "1"


class LookupVersion(NamedTuple):
    """Which answer a record was joined with: `n` orders the answers of one foreign key `fk`; `position` is that of the
    joined row's version, None when there is no such row; `fk` is None when the row refers to nothing."""

    n: int
    fk: str | None
    position: str | None


class Versions(NamedTuple):
    """What a record was made of: the position of the row's own version, and one answer for each lookup, by name."""

    row: str
    lookups: Mapping[str, LookupVersion]

    def reaches(self, other: Versions) -> bool:
        """Whether this is at or past `other` in the order of versions of one key."""
        if self.row != other.row:
            return self.row > other.row
        return all(self._n(name) >= version.n for name, version in other.lookups.items())

    def settles(self, other: Versions) -> bool:
        """Whether this is at or past `other`, and with the same answers where not past them."""
        if self.row != other.row:
            return self.row > other.row
        for name, theirs in other.lookups.items():
            ours = self.lookups.get(name)
            if ours is None or ours.n < theirs.n or (ours.n == theirs.n and ours.position != theirs.position):
                return False
        return True

    def is_forward_of(self, other: Versions) -> bool:
        """A later row is forward; at the same one, no lookup's `n` may be smaller and one must be larger."""
        if self.row != other.row:
            return self.row > other.row
        return self.reaches(other) and any(v.n > other._n(name) for name, v in self.lookups.items())

    def raised_since(self, other: Versions) -> str | None:
        """The first lookup that is further here than in `other`, None when there is none."""
        return next((name for name, v in self.lookups.items() if v.n > other._n(name)), None)

    def to_json(self) -> str:
        if not self.lookups and self.row.isalnum():
            return f'{{"row":"{self.row}"}}'
        found: dict[str, Any] = {"row": self.row}
        for name, version in self.lookups.items():
            found[name] = tuple(version)  # which orjson knows; for a NamedTuple it would call back
        return orjson.dumps(found).decode()

    @classmethod
    def from_json(cls, text: str) -> Versions:
        """Raises `BadRecord` when the text is not of this form."""
        try:
            value: dict[str, Any] = orjson.loads(text)
            row = value.pop("row")
            return cls(row, {name: LookupVersion(*v) for name, v in value.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise BadRecord(f"versions {text[:80]!r} are not those of schema {SCHEMA}: {exc}") from exc

    def _n(self, name: str) -> int:
        version = self.lookups.get(name)
        return -1 if version is None else version.n


class Record(NamedTuple):
    """One entry of the feed. `before` and `after` are JSON text; the meaning of each field is in `docs/records.md`."""

    view: str
    op: Op
    key: str
    ts_ms: int
    position: str
    versions: Versions
    before: str | None = None
    after: str | None = None
    changed: tuple[str, ...] | None = None
    cause: str | None = None

    def to_fields(self) -> dict[str, str]:
        """The flat map of strings that is written; what is None is absent."""
        names, *values = words_of([self])
        return {"schema": SCHEMA, **dict(zip(str(names).split(), map(str, values), strict=True))}

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Record:
        """The record of an entry; raises `BadRecord` for another schema or a missing field."""
        if fields.get("schema") != SCHEMA:
            raise BadRecord(f"an entry of schema {fields.get('schema')!r} was found, {SCHEMA!r} was expected")
        try:
            changed = fields.get("changed")
            return cls(
                view=fields["view"],
                op=fields["op"],  # type: ignore[arg-type]  # one of Op, as the same schema wrote it
                key=fields["key"],
                ts_ms=int(fields["ts_ms"]),
                position=fields["position"],
                versions=Versions.from_json(fields["versions"]),
                before=fields.get("before"),
                after=fields.get("after"),
                changed=None if changed is None else tuple(orjson.loads(changed)),
                cause=fields.get("cause"),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise BadRecord(f"an entry of the stream lacks or garbles a field: {exc}") from exc


_USUAL = "view op key after ts_ms position versions"


def words_of(records: Iterable[Record]) -> list[str | int]:
    """The records as words for one call: for each the names of its fields but `schema`, in one word, and their values.

    The word for the names is empty when they are those of the record before. What is None is absent.
    """
    words: list[str | int] = []
    last = ""
    for view, op, key, ts_ms, position, versions, before, after, changed, cause in records:
        if before is None and changed is None and cause is None and after is not None:  # a new row: nearly all
            words += ("" if last == _USUAL else _USUAL, view, op, key, after, ts_ms, position, versions.to_json())
            last = _USUAL
            continue
        optional = {
            "before": before,
            "after": after,
            "changed": None if changed is None else orjson.dumps(changed).decode(),
        }
        fields: dict[str, str | int] = {"view": view, "op": op, "key": key}
        fields.update((name, value) for name, value in optional.items() if value is not None)
        fields |= {"ts_ms": ts_ms, "position": position, "versions": versions.to_json()}
        if cause is not None:
            fields["cause"] = cause
        names = " ".join(fields)
        words += ("" if last == names else names, *fields.values())
        last = names
    return words


def shard_of(view: str, key: str, shards: int) -> int:
    """Which of the output streams holds a row's records: a hash that every process and every run agrees on."""
    return zlib.crc32(f"{view}\0{key}".encode()) % shards if shards > 1 else 0
