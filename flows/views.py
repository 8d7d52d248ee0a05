"""What is joined with what, as `dbwatch.toml` says it: checked values made from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard, cast

from connectors.errors import ConfigError
from connectors.known_keys import check_keys
from connectors.rows import covers, touch
from connectors.views import Lookup, View, Views
from flows.policies import POLICY_KEYS

# `roles` is the dashboard's, `archive` that of connectors.archive.settings; each checks its own.
_FILE_KEYS = ("views", "roles", "archive", *POLICY_KEYS)
_VIEW_KEYS = ("collection", "mask", "fields", "lookups")
_LOOKUP_KEYS = ("collection", "local", "foreign", "fields", "mask")
_KINDS: Mapping[type, str] = {
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


def parse_views(config: Mapping[str, Any], *, file: str = "dbwatch.toml") -> Views:
    """The views of a parsed `dbwatch.toml`; raises `ConfigError` that names the file, the key and the valid choices."""
    check_keys(config, _FILE_KEYS, f"{file}:")
    tables = _table(config, "views", file, "")
    if not tables:
        raise ConfigError(f"{file}: no [views.NAME] table was found; add one, or write a file with `dbwatch init`")
    masks: dict[str, tuple[str, ...]] = {}
    views = tuple(_view(name, tables, file, masks) for name in tables)
    parsed = Views(views, masks)
    for view in views:
        _check_masks(view, masks, file)
    return parsed


def _view(name: str, tables: Mapping[str, Any], file: str, masks: dict[str, tuple[str, ...]]) -> View:
    where = f"views.{name}"
    table = _table(tables, name, file, "views")
    check_keys(table, _VIEW_KEYS, f"{file}: [{where}]")
    collection = _text(table, "collection", file, where, default=name)
    _mask(masks, collection, table, file, where)
    lookups = _table(table, "lookups", file, where, default={})
    return View(
        name=name,
        collection=collection,
        fields=_paths(table, "fields", file, where),
        lookups=tuple(_lookup(key, lookups, file, f"{where}.lookups", masks) for key in lookups),
    )


def _lookup(name: str, tables: Mapping[str, Any], file: str, parent: str, masks: dict[str, tuple[str, ...]]) -> Lookup:
    where = f"{parent}.{name}"
    if name == "row" or not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(
            f"{file}: [{where}]: a lookup cannot be called {name!r}; choose a name of letters, digits, `_` and `-`, "
            "not `row`"
        )
    table = _table(tables, name, file, parent)
    check_keys(table, _LOOKUP_KEYS, f"{file}: [{where}]")
    collection = _text(table, "collection", file, where)
    _mask(masks, collection, table, file, where)
    return Lookup(
        name=name,
        collection=collection,
        local=_text(table, "local", file, where),
        foreign=_text(table, "foreign", file, where, default="_id"),
        fields=_paths(table, "fields", file, where),
    )


def _mask(masks: dict[str, tuple[str, ...]], collection: str, table: Mapping[str, Any], file: str, where: str) -> None:
    """A collection's mask is the union of all that is said of it, so that no mention of it can forget one."""
    paths = _paths(table, "mask", file, where) or ()
    if covers(paths, "_id"):
        raise ConfigError(f"{file}: [{where}] mask: `_id` is the record's key and cannot be masked; take it out")
    masks[collection] = tuple(dict.fromkeys((*masks.get(collection, ()), *paths)))


def _check_masks(view: View, masks: Mapping[str, tuple[str, ...]], file: str) -> None:
    """A masked field must not be needed: it would stand in the record's versions or come out empty."""
    for lookup in view.lookups:
        where = f"views.{view.name}.lookups.{lookup.name}"
        needed = [("local", view.collection, lookup.local), ("foreign", lookup.collection, lookup.foreign)]
        needed += [("fields", lookup.collection, path) for path in lookup.fields or ()]
        for key, collection, path in needed:
            mask = masks.get(collection, ())
            if covers(mask, path) or (key != "fields" and touch(mask, (path,))):
                raise ConfigError(
                    f"{file}: [{where}] {key}: `{path}` of `{collection}`, or a part of it, is masked and cannot be "
                    f"used; take it out of the mask or choose another field"
                )
    for path in view.fields or ():
        if covers(masks.get(view.collection, ()), path):
            raise ConfigError(
                f"{file}: [views.{view.name}] fields: `{path}` is masked; take it out of `fields` or `mask`"
            )


def _table(
    table: Mapping[str, Any], key: str, file: str, where: str, default: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    value = table.get(key, default)
    if value is None:
        raise ConfigError(f"{file}: {_at(where)}the table `{key}` is missing; add [views.NAME]")
    if not isinstance(value, Mapping):
        raise ConfigError(f"{file}: {_at(where)}`{key}` must be a table, found {_kind(value)}")
    return value  # pyright: ignore[reportUnknownVariableType]  # TOML tables have text keys


def _text(table: Mapping[str, Any], key: str, file: str, where: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        raise ConfigError(f'{file}: [{where}] lacks `{key}`, which a lookup must have; add {key} = "…"')
    if not isinstance(value, str) or not _is_path(value):
        raise ConfigError(f"{file}: [{where}] {key}: expected a name as text, found {_kind(value)}")
    return value


def _paths(table: Mapping[str, Any], key: str, file: str, where: str) -> tuple[str, ...] | None:
    if key not in table:
        return None
    value: Any = table[key]
    if not _is_list_of_paths(value):
        raise ConfigError(
            f'{file}: [{where}] {key}: expected a list of field paths such as ["name", "imdb.rating"], '
            f"found {_kind(value)}"
        )
    return tuple(dict.fromkeys(value))


def _is_list_of_paths(value: Any) -> TypeGuard[list[str]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(items) and all(isinstance(item, str) and _is_path(item) for item in items)


def _is_path(text: str) -> bool:
    return bool(text) and all(text.split("."))


def _at(where: str) -> str:
    return f"[{where}] " if where else ""


def _kind(value: object) -> str:
    return f"{_KINDS.get(type(value), type(value).__name__)} ({str(value)[:40]!r})"
