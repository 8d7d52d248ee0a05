"""Takes out of records what a role may not see, before anything is made of them. Pure.

Whatever reads the feed for somebody passes each entry through `hide_fields` first: what is drawn, filtered, searched,
summed up or exported is then made of what is left. A filter that saw more than its user would tell what is hidden.

The record's `key` is never hidden, nor that a hidden field changed: the record is there, without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

import orjson

from connectors.passwords import Role
from connectors.records import Record
from connectors.rows import covers, without
from dashboard.access.roles import Hidden, roles

HIDDEN_VALUE = "(hidden)"
"""Stands in `versions` for a value that was looked up and may not be seen; a value that may be seen is never this."""

_ROWS = ("before", "after")
_PLAIN = frozenset(("schema", "view", "op", "key", "ts_ms", "position", "cause"))
_ESCAPES = ("\\u", "\\/")


class _Plan(NamedTuple):
    """What is to be done to the records of one view. A row's text without any of the `names` has no hidden field."""

    paths: tuple[str, ...]
    names: tuple[str, ...]
    lookups: frozenset[str]


def hidden_paths(role: Role) -> frozenset[Hidden]:
    """What this role may not see, by `dbwatch.toml`; raises `ConfigError` as `dashboard.access.roles.roles` does."""
    return roles().hidden[role]


def hide_fields(fields: Mapping[str, str], hidden: frozenset[Hidden]) -> Mapping[str, str]:
    """The fields of an entry without what is hidden: in `before`, `after`, `changed` and `versions`.

    Costs nothing when nothing of its view is hidden. Of a view with hidden fields, a field that is not of this schema
    is left out, and so is one that is no JSON: nobody can tell what it holds.
    """
    if not hidden:
        return fields
    plans = _plans(hidden)
    view = fields.get("view")
    if view is not None and view not in plans:
        return fields
    plan = plans.get(view or "")
    shown: dict[str, str] = {}
    for name, text in fields.items():
        left = text if name in _PLAIN else None if plan is None else _left(name, text, plan)
        if left is not None:
            shown[name] = left
    return shown


def hide(record: Record, hidden: frozenset[Hidden]) -> Record:
    """The same for a record; raises `BadRecord` when its rows are no JSON objects."""
    fields = record.to_fields() if hidden else {}
    left = hide_fields(fields, hidden)
    return record if left is fields or not hidden else Record.from_fields(left)


def _left(name: str, text: str, plan: _Plan) -> str | None:
    try:
        if name in _ROWS:
            return _row(text, plan)
        if name == "changed":
            paths = cast("list[str]", orjson.loads(text))
            return orjson.dumps([path for path in paths if not covers(plan.paths, path)]).decode()
        if name == "versions":
            return _versions(text, plan)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None  # no JSON of the form that it must have
    return None


def _row(text: str, plan: _Plan) -> str:
    if text.startswith("{") and not any(part in text for part in (*plan.names, *_ESCAPES)):
        return text
    row = cast("Mapping[str, Any]", orjson.loads(text))
    return orjson.dumps(without(row, plan.paths)).decode()


def _versions(text: str, plan: _Plan) -> str:
    if not plan.lookups:
        return text
    versions = cast("dict[str, Any]", orjson.loads(text))
    for lookup in plan.lookups & versions.keys():
        n, value, position = versions[lookup]
        versions[lookup] = (n, None if value is None else HIDDEN_VALUE, position)
    return orjson.dumps(versions).decode()


@lru_cache(maxsize=16)
def _plans(hidden: frozenset[Hidden]) -> Mapping[str, _Plan]:
    return {view: _plan([h for h in hidden if h.view == view]) for view in {h.view for h in hidden}}


def _plan(hidden: list[Hidden]) -> _Plan:
    paths = tuple(sorted(h.path for h in hidden if not h.in_versions))
    ends = {orjson.dumps(path.rpartition(".")[2]).decode()[1:-1] for path in paths}
    names = tuple(end + mark for end in sorted(ends) for mark in '".')  # a name may go on: `a.b` hides "a.b.c" as well
    return _Plan(paths, names, frozenset(h.path for h in hidden if h.in_versions))
