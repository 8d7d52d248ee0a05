"""Hours of the archive that last two seconds, so that they pass while a round is played: then they are compacted, and
folded into the image, as real ones are.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

HOUR_S = 2
_REAL_S = 3600
_BASE_S = 1_789_999_200  # an hour's beginning, before all that is written now
_LAST = (253_402_300_799 - _BASE_S) // _REAL_S - 1  # of the year 9999
_USED_BY = ("commits", "compaction", "folding", "layout", "listing", "reading", "retention", "versions")


def hour_of(position: str) -> str:
    number = min((int(position[:8], 16) - _BASE_S) // HOUR_S, _LAST)
    return datetime.fromtimestamp(_BASE_S + number * _REAL_S, UTC).strftime("%Y-%m-%dT%H")


def last_of_hour(hour: str) -> str:
    begin = datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    number = (int(begin.timestamp()) - _BASE_S) // _REAL_S
    return f"{_BASE_S + number * HOUR_S + HOUR_S - 1:08x}{'f' * 8}.~"


@contextmanager
def short_hours() -> Generator[None]:
    """In this process, as long as this lasts. Not to be used by several threads."""
    for name in _USED_BY:
        import_module(f"connectors.archive.{name}")
    short: dict[str, Any] = {"hour_of": hour_of, "last_of_hour": last_of_hour, "HOUR_S": HOUR_S}
    real: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name.startswith(("connectors.archive.", "tests.connectors.archive.")):
            real += [(module, each, getattr(module, each)) for each in short if hasattr(module, each)]
    for module, each, _ in real:
        setattr(module, each, short[each])
    try:
        yield
    finally:
        for module, each, value in real:
            setattr(module, each, value)
