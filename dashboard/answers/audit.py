"""Who did what: pages of the audit, for those who may read it."""

from __future__ import annotations

from connectors.audit import MOST
from connectors.errors import ConfigError
from dashboard.access.people import people
from dashboard.asks import Ask

USUAL = 50


async def audit(ask: Ask) -> object:
    """A page, newest first: `{count?, before?}` -> `{entries: [{id, ...fields}], older}`; these two are ids."""
    count, before = ask.args.get("count", USUAL), ask.args.get("before")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
        raise ConfigError(f"count: expected a whole number from 1 to {MOST}, found {str(count)[:40]!r}")
    if before is not None and not isinstance(before, str):
        raise ConfigError(f"before: expected an entry's id, found {str(before)[:40]!r}")
    page = await people().audit(count, before=before)
    return {"entries": [{"id": entry_id, **entry._asdict()} for entry_id, entry in page.entries], "older": page.older}
