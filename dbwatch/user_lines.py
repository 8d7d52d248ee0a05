"""Users and the audit, as lines for people and for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.accounts import Account
from connectors.audit import AuditEntry
from connectors.summaries import one_line
from connectors.times import to_the_second

_LONGEST = 100


def user_table(accounts: Sequence[Account]) -> Iterator[str]:
    """Name, role, since when, and how they sign in when not with a password of their own."""
    widest = max((len(account.name) for account in accounts), default=0)
    for account in accounts:
        since = datetime.fromtimestamp(account.created_ms / 1000, UTC)
        yield f"{account.name:<{widest}}  {account.role:<6}  since {since:%Y-%m-%d}{_state(account)}"


def user_json(account: Account) -> str:
    """One JSON object, never with anything of a password."""
    found: dict[str, Any] = {
        "name": account.name,
        "role": account.role,
        "created": to_the_second(account.created_ms),
        "by_provider": account.by_provider,
        "one_time": account.one_time,
        "used": account.used,
    }
    return json.dumps(found)


def audit_table(entries: Sequence[tuple[str, AuditEntry]]) -> Iterator[str]:
    """One line for each entry, in columns."""
    rows = [_cells(entry) for _, entry in entries]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]) - 1)] if rows else []
    for row in rows:
        yield "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def audit_json(entry_id: str, entry: AuditEntry) -> str:
    """One JSON object, with the entry's id."""
    return json.dumps({"id": entry_id, "at": to_the_second(entry.at_ms), **entry._asdict()}, ensure_ascii=False)


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    cells = (entry.who or "(unknown)", entry.role or "-", entry.action, entry.outcome, entry.address or "-", entry.what)
    return (to_the_second(entry.at_ms), *(one_line(cell, _LONGEST) for cell in cells))


def _state(account: Account) -> str:
    if account.by_provider:
        return "  by a provider"
    if not account.one_time:
        return ""
    return "  one-time password, used" if account.used else "  one-time password"
