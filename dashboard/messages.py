"""What the server tells the page, as JSON text made once for all viewers. Pure.

`fill` replaces the tables, `news` adds to them, `beat` comes every second and says how things stand; a page that misses
beats knows that it is cut off. From the page comes only `{"hello": true}`, once it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from dashboard.figures import Rates
from dashboard.rows import PER_TABLE, Row
from dashboard.status import Status


def fill(rows: Sequence[Row]) -> str:
    """All that the tables hold, oldest first."""
    return _text({"type": "fill", "perTable": PER_TABLE, "rows": [row._asdict() for row in rows]})


def news(rows: Sequence[Row]) -> str:
    """What has come since the last message, oldest first."""
    return _text({"type": "news", "rows": [row._asdict() for row in rows]})


def beat(
    status: Status, rates: Rates | None, *, left_out: int = 0, unreadable: int = 0, now_ms: int | None = None
) -> str:
    """How things stand. `rates` None: they are not known. `left_out`: so many changes a
    second are not shown."""
    return _text(
        {
            "type": "beat",
            "status": status._asdict(),
            "rates": None if rates is None else _rates(rates),
            "leftOut": left_out,
            "unreadable": unreadable,
            "nowMs": now_ms,
        }
    )


def _rates(rates: Rates) -> dict[str, object]:
    return {
        "views": {
            view: {kind: round(rate, 1) for kind, rate in kinds.items()} for view, kinds in rates.by_view.items()
        },
        "series": rates.series,
        "total": round(rates.total, 1),
        "shown": round(rates.shown, 1),
        "latency": None if rates.latency is None else rates.latency._asdict(),
    }


def _text(message: object) -> str:
    return orjson.dumps(message, default=_named).decode()


def _named(value: object) -> object:
    """Named tuples below the top, as arrays."""
    if isinstance(value, tuple):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise TypeError(f"no JSON form for {type(value).__name__}")
