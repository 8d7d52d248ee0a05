"""One record while it is looked at by a filter: decoded when a condition needs it, and once at most. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeGuard

import orjson

from connectors.records import Record
from connectors.rows import loads
from dashboard.filters.literals import folded
from dashboard.filters.paths import leaves


class Subject:
    """A row that is no JSON object has no fields: it is shown as unreadable by whoever shows it."""

    def __init__(
        self,
        view: str,
        op: str,
        key: str,
        cause: str | None,
        *,
        row_text: str | None,
        changed: str | Sequence[str] | None,
    ) -> None:
        self.view = view
        self.op = op
        self.key = key
        self.cause = cause
        self.row_text = row_text or ""
        self._changed = changed

    @classmethod
    def of_fields(cls, fields: Mapping[str, str]) -> Subject:
        get = fields.get
        row_text = get("after")
        return cls(
            get("view", ""),
            get("op", ""),
            get("key", ""),
            get("cause"),
            row_text=get("before") if row_text is None else row_text,
            changed=get("changed"),
        )

    @classmethod
    def of_record(cls, record: Record) -> Subject:
        row_text = record.before if record.after is None else record.after
        return cls(record.view, record.op, record.key, record.cause, row_text=row_text, changed=record.changed)

    @cached_property
    def row(self) -> Mapping[str, Any]:
        try:
            value: Any = loads(self.row_text) if self.row_text else None
        except ValueError:
            return {}
        return value if _is_object(value) else {}

    @cached_property
    def changed(self) -> Sequence[str]:
        """The paths that the update changed."""
        if self._changed is None:
            return ()
        if not isinstance(self._changed, str):
            return self._changed
        try:
            paths: Any = orjson.loads(self._changed)
        except ValueError:
            return ()
        return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else ()  # pyright: ignore[reportUnknownVariableType]

    @cached_property
    def is_verbatim(self) -> bool:
        """Whether every text and name stands in the JSON as it is, none with an escape."""
        return "\\" not in self.row_text

    @cached_property
    def folded(self) -> str:
        """The row's JSON in one case."""
        return self.row_text.casefold()

    @cached_property
    def folded_values(self) -> Sequence[str]:
        """The texts of the row's plain values, each in one case."""
        return [folded(value) for value in leaves(self.row)]


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, dict)
