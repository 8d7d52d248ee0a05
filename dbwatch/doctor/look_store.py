"""A look at the recovery folder: reads, and changes nothing. An edge."""

from __future__ import annotations

import time
from pathlib import Path

from connectors.errors import ConfigError
from dbwatch.doctor.facts import StoreFacts
from flows.recovery import open_store
from flows.store_states import check_states


def look_at_store(folder: Path, *, flow_id: str) -> StoreFacts:
    """What can be seen; never raises for what is wrong with the folder."""
    now_ms = time.time_ns() // 1_000_000
    facts = StoreFacts(str(folder), now_ms=now_ms)
    try:
        files = [path.stat() for path in folder.glob("part-*.sqlite3*")]
        if not files:
            return facts
        store = open_store(folder, flow_id=flow_id)
        check_states(folder)
    except (ConfigError, OSError) as exc:
        return facts._replace(is_there=True, refusal=str(exc))
    return facts._replace(
        is_there=True,
        job_id=store.job_id,
        partitions=len(list(folder.glob("part-*.sqlite3"))),
        size=sum(stat.st_size for stat in files),
        committed_ms=max(stat.st_mtime_ns for stat in files) // 1_000_000,
    )
