"""The tables `[roles.NAME]` of `dbwatch.toml`: which fields a role may not see, how many rows it may export. Pure.

A hidden field belongs to its collection, as a mask does: it is hidden wherever that collection's rows go, in other
views and in rows that are joined with them. When rows are joined by a hidden field, the field that refers to it holds
the same value and is hidden too, and so is the value in `versions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, cast

from connectors.errors import ConfigError
from connectors.known_keys import check_keys
from connectors.passwords import ROLES, Role
from connectors.rows import covers, touch
from connectors.settings import Settings
from dashboard.access.permissions import EXPORT_ROWS

_KEY = "_id"
_TABLE_KEYS = ("hide", "export_rows")
_STRANGERS = "strangers"
_MOST_ROWS = 100_000_000


class Hidden(NamedTuple):
    """A path of a view's rows that must not be seen. `in_versions`: `path` is a lookup's name, and what must not be
    seen is the value that was looked up, in the record's `versions`.
    """

    view: str
    path: str
    in_versions: bool = False


class Roles(NamedTuple):
    """What the file says of roles. `strangers`: the role of who signs in by a provider and has no account, if any."""

    hidden: Mapping[Role, frozenset[Hidden]] = {role: frozenset() for role in ROLES}
    export_rows: Mapping[Role, int] = EXPORT_ROWS
    strangers: Literal["viewer"] | None = None


class _Lookup(NamedTuple):
    name: str
    collection: str
    local: str
    foreign: str


class _View(NamedTuple):
    name: str
    collection: str
    lookups: tuple[_Lookup, ...]


@cache
def roles() -> Roles:
    """Those of the settings, read once for each process.

    Raises `ConfigError` when the file that `DBWATCH_CONFIG` names is missing or wrong. Without the setting and without
    the default file nothing is hidden.
    """
    settings = Settings.load()
    return parse_roles(settings.config_if_any(), file=str(settings.config_path))


def parse_roles(config: Mapping[str, Any], *, file: str = "dbwatch.toml") -> Roles:
    """The roles of a parsed `dbwatch.toml`; raises `ConfigError` that names the file, the key and the choices."""
    table = _table(config.get("roles", {}), file, "roles")
    check_keys(table, (*ROLES, _STRANGERS), f"{file}: [roles]")
    if not table:
        return Roles()
    views = tuple(_views(config, file))
    hidden: dict[Role, frozenset[Hidden]] = {}
    export_rows: dict[Role, int] = {}
    for role in ROLES:
        own = _table(table.get(role, {}), file, f"roles.{role}")
        check_keys(own, _TABLE_KEYS, f"{file}: [roles.{role}]")
        hidden[role] = frozenset(_hidden(own, views, file, f"[roles.{role}] hide"))
        export_rows[role] = _count(own, EXPORT_ROWS[role], file, f"[roles.{role}] export_rows")
    return Roles(hidden, export_rows, _strangers(table, file))


def _strangers(table: Mapping[str, Any], file: str) -> Literal["viewer"] | None:
    value = table.get(_STRANGERS)
    if value is None or value == "viewer":
        return "viewer" if value else None
    raise ConfigError(
        f'{file}: [roles] strangers: expected "viewer", or no such key, found {str(value)[:40]!r}; '
        "any other role needs an account"
    )


def _hidden(table: Mapping[str, Any], views: Sequence[_View], file: str, where: str) -> Iterator[Hidden]:
    of_collection: dict[str, set[str]] = {}
    for text in _texts(table.get("hide", []), file, where):
        collection, path = _named(text, views, file, where)
        _refuse_key(collection, path, f"{file}: {where}: {text!r}")
        of_collection.setdefault(collection, set()).add(path)
    _spread(of_collection, views, f"{file}: {where}")
    for view in views:
        yield from _hidden_of(view, of_collection)


def _spread(of_collection: dict[str, set[str]], views: Sequence[_View], where: str) -> None:
    """What refers to a hidden field holds its value: hide that too, and what refers to that."""
    grown = True
    while grown:
        grown = False
        for view in views:
            for lookup in view.lookups:
                if not touch(_of(of_collection, lookup.collection), (lookup.foreign,)):
                    continue
                paths = of_collection.setdefault(view.collection, set())
                if not covers([*paths], lookup.local):
                    told = f"{where}: `{lookup.foreign}` of `{lookup.collection}`"
                    _refuse_key(view.collection, lookup.local, f"{told}, to which `{lookup.local}` refers")
                    paths.add(lookup.local)
                    grown = True


def _hidden_of(view: _View, of_collection: Mapping[str, Iterable[str]]) -> Iterator[Hidden]:
    own = _of(of_collection, view.collection)
    for path in own:
        yield Hidden(view.name, path)
    for lookup in view.lookups:
        for path in _of(of_collection, lookup.collection):
            yield Hidden(view.name, f"{lookup.name}.{path}")
        if touch(own, (lookup.local,)):
            yield Hidden(view.name, f"{lookup.name}.{lookup.foreign}")
            yield Hidden(view.name, lookup.name, in_versions=True)


def _of(of_collection: Mapping[str, Iterable[str]], collection: str) -> list[str]:
    return sorted(of_collection.get(collection, ()))


def _refuse_key(collection: str, path: str, told: str) -> None:
    if covers((_KEY,), path):
        raise ConfigError(f"{told}: `{_KEY}` of `{collection}` is the key of its records and cannot be hidden")


def _named(text: str, views: Sequence[_View], file: str, where: str) -> tuple[str, str]:
    """The collection and the path that `view.path` means; a collection that is only looked up goes by its own name."""
    collections = {lookup.collection: lookup.collection for view in views for lookup in view.lookups}
    collections |= {view.name: view.collection for view in views}
    for name in sorted(collections, key=len, reverse=True):
        path = text.removeprefix(f"{name}.")
        if path != text and all(path.split(".")):
            return collections[name], path
    raise ConfigError(
        f"{file}: {where}: {text!r} names no field of a view; expected a view and a path such as "
        f'"{next(iter(collections), "users")}.email"; the views are {_list(collections)}'
    )


def _views(config: Mapping[str, Any], file: str) -> Iterator[_View]:
    for name, value in _table(config.get("views", {}), file, "views").items():
        where = f"views.{name}"
        table = _table(value, file, where)
        lookups = _table(table.get("lookups", {}), file, f"{where}.lookups")
        yield _View(
            name,
            _text(table.get("collection", name), file, f"[{where}] collection"),
            tuple(_lookup(key, lookups[key], file, f"{where}.lookups.{key}") for key in lookups),
        )


def _lookup(name: str, value: object, file: str, where: str) -> _Lookup:
    table = _table(value, file, where)
    collection, local, foreign = (
        _text(table.get(key, default), file, f"[{where}] {key}")
        for key, default in (("collection", None), ("local", None), ("foreign", _KEY))
    )
    return _Lookup(name, collection, local, foreign)


def _table(value: object, file: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{file}: {where}: expected a table, found {str(value)[:40]!r}")
    return cast("Mapping[str, Any]", value)


def _text(value: object, file: str, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{file}: {where}: expected a name as text, found {str(value)[:40]!r}")
    return value


def _texts(value: object, file: str, where: str) -> list[str]:
    items = cast("list[object]", value if isinstance(value, list) else [None])
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) < len(items):
        raise ConfigError(
            f'{file}: {where}: expected a list such as ["users.email", "comments.text"], found {str(items)[:40]!r}'
        )
    return texts


def _count(table: Mapping[str, Any], default: int, file: str, where: str) -> int:
    value: object = table.get("export_rows", default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_ROWS:
        raise ConfigError(
            f"{file}: {where}: expected a whole number from 0 (no exports) to {_MOST_ROWS}, found {str(value)[:40]!r}"
        )
    return value


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
