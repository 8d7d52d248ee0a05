"""Who did what: the stream `P:audit`, written by the dashboard and by `dbwatch users`, read newest first.

An entry is a flat map of strings, described in `docs/records.md`. About the newest `MAXLEN` are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, cast, get_args

from redis import Redis

from connectors.errors import ConfigError
from connectors.redis_client import translated
from connectors.settings import Keys
from connectors.stream_ids import parts

Deed = Literal["sign-in", "sign-out", "export", "replay", "settings", "users"]
Outcome = Literal["done", "refused", "throttled", "failed"]

SCHEMA = "1"
MAXLEN = 100_000
LONGEST = 500
"""How many characters of a text are kept."""
MOST = 1000
"""How many entries one page holds at most."""

_Entries = list[tuple[str, Mapping[str, str]]]


class AuditEntry(NamedTuple):
    """One deed: `who` with which `role` did `what`, from which `address`, and how it ended.

    `who` is empty when nobody knows: a name that no user has is not kept, for it may be a password that was typed into
    the wrong field.
    """

    at_ms: int
    who: str
    role: str
    action: Deed
    what: str
    address: str
    outcome: Outcome

    def to_fields(self) -> dict[str, str]:
        fields = {name: str(value)[:LONGEST] for name, value in self._asdict().items()}
        return {"schema": SCHEMA, **fields}

    @classmethod
    def from_fields(cls, entry_id: str, fields: Mapping[str, str]) -> AuditEntry:
        """The entry as far as it can be read; what is missing or garbled is empty, its time then that of its id."""
        at_ms = fields.get("at_ms", "")
        return cls(
            at_ms=int(at_ms) if at_ms.isdecimal() and len(at_ms) < 17 else parts(entry_id)[0],
            who=fields.get("who", ""),
            role=fields.get("role", ""),
            action=cast("Deed", fields.get("action", "")),
            what=fields.get("what", ""),
            address=fields.get("address", ""),
            outcome=cast("Outcome", fields.get("outcome", "")),
        )


class Page(NamedTuple):
    """Entries with their ids, newest first; `older` is where the next page begins, None at the end."""

    entries: tuple[tuple[str, AuditEntry], ...]
    older: str | None


class Audit:
    """Thread-safe, as the client is. Every method raises `ConfigError` and `TransientError` as `translated` says."""

    def __init__(
        self, client: Redis, keys: Keys, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._client = client
        self._key = keys.audit
        self._now_ms = now_ms

    def entry(
        self, action: Deed, *, who: str, role: str = "", what: str = "", address: str = "", outcome: Outcome = "done"
    ) -> AuditEntry:
        """An entry of now, to be written."""
        return AuditEntry(self._now_ms(), who, role, action, what, address, outcome)

    def write(self, entry: AuditEntry) -> str:
        """Add an entry; its id. Whoever must not go on without one lets what this raises pass."""
        with translated(f"writing {self._key}"):
            return cast("str", self._client.xadd(self._key, {**entry.to_fields()}, maxlen=MAXLEN, approximate=True))

    def page(self, count: int, *, before: str | None = None) -> Page:
        """The newest `count` entries, or the newest of those older than the id `before`.

        Raises `ConfigError` for a count or an id that is none.
        """
        if not 1 <= count <= MOST:
            raise ConfigError(f"expected a number of entries from 1 to {MOST}, found {count}")
        last = f"({checked_id(before)}" if before is not None else "+"
        with translated(f"reading {self._key}"):
            found = cast("_Entries", self._client.xrevrange(self._key, max=last, count=count + 1))
        entries = tuple((entry_id, AuditEntry.from_fields(entry_id, fields)) for entry_id, fields in found[:count])
        return Page(entries, entries[-1][0] if len(found) > count else None)


def checked_id(text: str) -> str:
    """The text, if it is an entry's id."""
    first, dash, second = text.partition("-")
    if not (dash and all(n.isascii() and n.isdecimal() and len(n) <= 20 for n in (first, second))):
        raise ConfigError(f"expected an entry's id such as 1700000000000-0, found {text[:40]!r}")
    return text


DEEDS: tuple[Deed, ...] = get_args(Deed)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
