"""A change that could not be read, joined or written: set aside with its cause, so that the others go on. Pure.

Nothing masked may stand in a letter: of what could not be decoded, and so not be masked for sure, it holds only what
tells which change it is. The fields are described in `docs/records.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

import orjson

from connectors.changes import Change
from connectors.errors import BadRecord
from connectors.records import Record

SCHEMA = "1"
Stage = Literal["read", "join", "write"]
_STAGES = get_args(Stage)

_LONGEST_EVENT = 16_384
_LONGEST_ERROR = 500


class DeadLetter(NamedTuple):
    """One change that went wrong in a `stage`: read from the source, joined, or written.

    `collection` is that of the source or, from the join on, the view. `key` is as in `Change`, "" when it cannot be
    told; `op` and `position` too. `ts_ms` is when the source committed it, in Unix milliseconds. `error` is one line;
    `event` JSON text of bounded size.
    """

    stage: Stage
    collection: str
    key: str
    op: str
    position: str
    ts_ms: int
    error: str
    event: str

    @property
    def identity(self) -> tuple[str, ...]:
        """The same for one change however often it goes wrong in the same place; of two changes never."""
        return self.stage, self.collection, self.key or self.event, self.position

    def to_fields(self, *, at_ms: int) -> dict[str, str]:
        """The flat map of strings that is written, at this time (Unix ms)."""
        return {"schema": SCHEMA, "at_ms": str(at_ms), **{k: str(v) for k, v in self._asdict().items()}}

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> DeadLetter:
        """The letter of an entry; raises `BadRecord` for another schema or a missing field."""
        if fields.get("schema") != SCHEMA or fields.get("stage") not in _STAGES:
            raise BadRecord(f"a dead letter of schema {fields.get('schema')!r} was found, {SCHEMA!r} was expected")
        try:
            texts = {name: fields[name] for name in cls._fields if name not in ("stage", "ts_ms")}
            return cls(stage=cast("Stage", fields["stage"]), ts_ms=int(fields["ts_ms"]), **texts)
        except (KeyError, ValueError) as exc:
            raise BadRecord(f"a dead letter lacks or garbles a field: {exc}") from exc


Emitted = Change | DeadLetter
"""What a source emits."""

Output = Record | DeadLetter
"""What comes of a change."""

Outputs = Sequence[Output]
"""What a sink is given: some that follow each other."""


def letter_of_change(change: Change, error: Exception) -> DeadLetter:
    """The letter of a change that was read, and masked, but could not be joined."""
    event = {"before": _row(change.before), "after": _row(change.after), "named": change.named}
    return DeadLetter(
        stage="join",
        collection=change.collection,
        key=change.key,
        op=change.op,
        position=change.position,
        ts_ms=change.ts_ms,
        error=error_text(error),
        event=event_text({name: value for name, value in event.items() if value is not None}),
    )


def error_text(error: Exception) -> str:
    """What went wrong, in one line; an error that is none of ours is named with its type."""
    text = str(error) if isinstance(error, BadRecord) else f"{type(error).__name__}: {error}"
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 1] + "…"


def event_text(event: Mapping[str, Any]) -> str:
    """The event as JSON; parts that make it too long are left out and named in `omitted`, the longest first."""
    parts = {name: orjson.dumps(value).decode() for name, value in event.items()}
    omitted: dict[str, int] = {}
    while len(text := _object(parts, omitted)) > _LONGEST_EVENT and parts:
        longest = max(parts, key=lambda name: len(parts[name]))
        omitted[longest] = len(parts.pop(longest))
    return text


def _object(parts: Mapping[str, str], omitted: Mapping[str, int]) -> str:
    fields = {**parts, "omitted": orjson.dumps(omitted).decode()} if omitted else parts
    return "{" + ",".join(f"{orjson.dumps(name).decode()}:{text}" for name, text in fields.items()) + "}"


def _row(text: str | None) -> Any:
    """A row to stand in an event; only its length when it is too long to be shown at all."""
    if text is None:
        return None
    return orjson.Fragment(text) if len(text) <= _LONGEST_EVENT else {"characters": len(text)}
