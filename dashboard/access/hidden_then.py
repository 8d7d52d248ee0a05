"""What a role may not see of rows as views of the past had them. Pure.

What is hidden today is a field of a collection, wherever its rows go: also under the names that views and lookups had
when the archive was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.passwords import Role
from connectors.views import View
from dashboard.access.roles import Hidden, parse_roles

_THEN = "\x00then "  # no view that a person names


def hidden_then(
    config: Mapping[str, Any], past: Iterable[View], *, role: Role, file: str = "dbwatch.toml"
) -> frozenset[Hidden]:
    """What the role may not see of a view that was defined in these ways, by the roles of today's parsed file.

    Raises `ConfigError` as `parse_roles` does, also when a field that is hidden today was once a reference to be
    joined by.
    """
    if not config.get("roles"):
        return frozenset()
    numbered = {f"{_THEN}{number}": view for number, view in enumerate(past)}
    tables = {name: _table(view) for name, view in numbered.items()}
    found = parse_roles({**config, "views": {**config.get("views", {}), **tables}}, file=file).hidden[role]
    return frozenset(one._replace(view=numbered[one.view].name) for one in found if one.view in numbered)


def _table(view: View) -> dict[str, Any]:
    lookups = {
        lookup.name: {"collection": lookup.collection, "local": lookup.local, "foreign": lookup.foreign}
        for lookup in view.lookups
    }
    return {"collection": view.collection, "lookups": lookups}
