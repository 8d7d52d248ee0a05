"""What each role may do. Pure; the server asks it for every message from a browser, whatever the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from connectors.errors import Forbidden
from connectors.passwords import Role

Action = Literal["see", "export", "replay", "settings", "audit"]
"""`see` the feed, its history and figures, and keep what is one's own (filters, what was seen); `export` rows to a
file; `replay` from snapshots; change the `settings` that hold for all; read the `audit`."""

ALLOWED: Mapping[Role, frozenset[Action]] = {
    "viewer": frozenset(("see", "export")),
    "admin": frozenset(("see", "export", "replay", "settings", "audit")),
}

EXPORT_ROWS: Mapping[Role, int] = {"viewer": 10_000, "admin": 1_000_000}
"""How many rows one export holds at most, unless `dbwatch.toml` says otherwise."""

_DOING: Mapping[Action, str] = {
    "see": "see the feed",
    "export": "export rows",
    "replay": "start a replay",
    "settings": "change settings",
    "audit": "read the audit",
}


def allowed(role: Role, action: Action) -> bool:
    """Whether this role may do it."""
    return action in ALLOWED[role]


def require(role: Role, action: Action) -> None:
    """Raise `Forbidden`, in words for who asked, unless this role may do it."""
    if not allowed(role, action):
        able = " or ".join(other for other, actions in ALLOWED.items() if action in actions)
        raise Forbidden(f"your role, {role}, may not {_DOING[action]}; it takes the role {able}")
