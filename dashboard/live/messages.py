"""What the server tells the page, as JSON text made once for all who see the same. Pure.

`fill` replaces the tables, `news` adds to them, `beat` comes every second and says how things stand; a page that misses
beats knows that it is cut off. `upTo` is the entry of each stream up to which everything is in the tables, or left out
and counted, or kept back by the filter. The page says `{"watch": filter text}` once it is drawn and when its filter
changes, and `{"shown": …}`, what was on the visible screen (see `dashboard.away.shown`); what it may ask is in
`dashboard.asks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dashboard.health.figures import Rates
from dashboard.health.status import Status
from dashboard.live.fan_outs import Group
from dashboard.live.rows import PER_TABLE
from dashboard.live.tables import Line, News

Positions = Mapping[str, str]


def fill(
    lines: Sequence[Line], *, filter_text: str = "", streams: Sequence[str] = (), up_to: Positions | None = None
) -> str:
    """All that the tables hold, oldest first, the filter that it was seen through, and the feed's streams in order."""
    return _text(
        {
            "type": "fill",
            "perTable": PER_TABLE,
            "filter": filter_text,
            "rows": [_line(line) for line in lines],
            "streams": list(streams),
            "upTo": up_to or {},
        }
    )


def news(brought: News, *, up_to: Positions | None = None) -> str:
    """What has come since the last message, oldest first. A line of `rows` may take the place of the one that has its
    id; `grown` tells of lines that stand for more rows by now.
    """
    rows, grown = [_line(line) for line in brought.lines], [line.as_dict() for line in brought.grown]
    return _text({"type": "news", "rows": rows, "grown": grown, "upTo": up_to or {}})


def answer(to: int, value: object) -> str:
    """What was asked for."""
    return _text({"type": "answer", "to": to, "value": value})


def progress(to: int, value: object) -> str:
    """How far the answer to a question has come."""
    return _text({"type": "progress", "to": to, "value": value})


def failed(to: int, message: str) -> str:
    """Why a question has no answer, in a line for people."""
    return _text({"type": "failed", "to": to, "message": message})


def visitor(name: str, role: str) -> str:
    """Who is signed in, and as what, now."""
    return _text({"type": "visitor", "name": name, "role": role})


def refused(message: str) -> str:
    """Why the feed cannot be watched as was asked."""
    return _text({"type": "refused", "message": message})


def beat(
    status: Status,
    rates: Rates | None,
    *,
    left_out: int = 0,
    unreadable: int = 0,
    now_ms: int | None = None,
    up_to: Positions | None = None,
    health: Sequence[Mapping[str, str]] = (),
) -> str:
    """How things stand. `rates` None: they are not known. `left_out`: so many changes a second are not shown. `health`
    are the figures that are always in sight, see `dashboard.health.findings.strip`.
    """
    return _text(
        {
            "type": "beat",
            "status": status._asdict(),
            "rates": None if rates is None else _rates(rates),
            "leftOut": left_out,
            "unreadable": unreadable,
            "nowMs": now_ms,
            "upTo": up_to or {},
            "health": health,
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


def _line(line: Line) -> dict[str, Any]:
    return line.as_dict() if isinstance(line, Group) else line._asdict()


def _text(message: object) -> str:
    return orjson.dumps(message, default=_named).decode()


def _named(value: object) -> object:
    """Named tuples below the top, as arrays."""
    if isinstance(value, tuple):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise TypeError(f"no JSON form for {type(value).__name__}")
