"""Answers from the archive: the versions of a row that the feed may have lost, and the row at one of them.

Files are read by one thread of its own, one question after another, so that pages are served meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple, TypeVar

import orjson

from connectors.archive.moment import Moment
from connectors.archive.past import PastVersion, record_of
from connectors.archive.settings import ArchiveSettings, parse_archive
from connectors.archive.travel import Gap, Travel
from connectors.errors import ConfigError
from connectors.mongo_events import position_ms
from connectors.places import Entry, Place
from connectors.records import Record
from connectors.rows import loads
from connectors.settings import Settings
from dashboard.access.hidden import hide
from dashboard.access.hidden_then import hidden_then
from dashboard.access.roles import Hidden
from dashboard.asks import Ask
from dashboard.history.pages import MOST_ROWS, history_row

ARCHIVED = -1
"""Where a row has the number of its stream: it is from none."""

_LONGEST_KEY = 100_000
_LONGEST_ROW = 200_000

_T = TypeVar("_T")

_reader = ThreadPoolExecutor(1, thread_name_prefix="archive")


class _Row(NamedTuple):
    """A row that is asked for, by whom, and what of it must not be seen."""

    travel: Travel
    view: str
    key: str
    hidden: frozenset[Hidden]
    lookups: tuple[str, ...]

    def record(self, version: PastVersion) -> Record:
        return hide(record_of(self.view, self.key, version, self.lookups), self.hidden)


async def reach(_ask: Ask) -> object:
    """From when to when the archive tells, `[fromMs, toMs]` for each stretch; None when there is no archive."""
    archive = _archive()
    if archive is None or not archive.folder.is_dir():
        return None
    recorded = await _read(_travel(archive).recorded)
    return [[position_ms(one.begin), position_ms(one.until)] for one in recorded]


async def versions(ask: Ask) -> object:
    """`{view, key, before, count}`: the newest versions of the row at positions before this one (None: the newest of
    all), newest first, as rows of a history. `{"gap": [fromMs, toMs]}` stands among them where nothing was recorded.
    """
    before, count = ask.args.get("before"), ask.args.get("count", MOST_ROWS)
    if type(count) is not int or not 1 <= count <= MOST_ROWS:
        raise ConfigError(f"count: expected a number from 1 to {MOST_ROWS}, found {str(count)[:40]!r}")
    until = None if before is None else _position(before)

    def found() -> object:
        row = _asked(ask)
        kept: deque[list[dict[str, Any]]] = deque(maxlen=count + 1)
        gap: list[dict[str, Any]] = []
        for version in row.travel.history(row.view, row.key, until=until):
            if isinstance(version, Gap):
                gap = [{"gap": [position_ms(version.begin), position_ms(version.end)]}]
            elif version.position != before:
                kept.append([_told(row, version), *gap])
                gap = []
        newest = [*reversed(kept)]
        return {"rows": [line for lines in newest[:count] for line in lines], "more": len(newest) > count}

    return await _read(found)


async def row(ask: Ask) -> object:
    """`{view, key, position}`: the row as this version of it has it, as JSON text on lines in `row`; None when there
    was none, or no such version.
    """
    position = _text(ask, "position", 200)
    moment = _position(position)

    def found() -> object:
        of = _asked(ask)
        version: PastVersion | None = None
        for one in of.travel.history(of.view, of.key, until=moment):
            if isinstance(one, PastVersion) and one.position == position:
                version = one
        text = None if version is None else of.record(version).after
        if text is not None and len(text) > _LONGEST_ROW:
            raise ConfigError(f"the row has more than {_LONGEST_ROW:,} characters; `dbwatch at` prints it")
        return {"row": None if text is None else orjson.dumps(loads(text), option=orjson.OPT_INDENT_2).decode()}

    return await _read(found)


@cache
def _settings() -> tuple[dict[str, Any], ArchiveSettings | None, str, str]:
    """The file, what it says of the archive, its name, and the database; read once for each process."""
    settings = Settings.load()
    path = settings.config_path
    config = settings.config_if_any()
    return config, parse_archive(config, settings.archive, file=str(path)), str(path), settings.mongo_db


def forget_settings() -> None:
    """Read them anew, for tests."""
    _settings.cache_clear()


def _archive() -> ArchiveSettings | None:
    return _settings()[1]


def _travel(archive: ArchiveSettings) -> Travel:
    return Travel(archive.folder, database=lambda: _settings()[3])


def _asked(ask: Ask) -> _Row:
    config, archive, file, _ = _settings()
    if archive is None:
        raise ConfigError("no archive is kept: see [archive] in dbwatch.toml")
    travel, view = _travel(archive), _text(ask, "view", 1000)
    hidden = ask.hidden | hidden_then(config, travel.views(view), role=ask.visitor.role, file=file)
    return _Row(travel, view, _text(ask, "key", _LONGEST_KEY), hidden, travel.lookups(view))


def _told(row: _Row, version: PastVersion) -> dict[str, Any]:
    entry = Entry(Place(version.ts_ms, 0, 0), row.record(version).to_fields())
    return history_row(entry)._replace(stream=ARCHIVED, id=version.position, at_ms=version.ts_ms)._asdict()


def _position(value: object) -> Moment:
    """What is included up to a version with this position, and no more."""
    moment = Moment.parse(value, now_ms=0) if isinstance(value, str) and len(value) <= 200 else None
    if moment is None or moment.at_ms is not None:
        raise ConfigError(f"expected the position of a version, found {str(value)[:40]!r}")
    return Moment(str(value))


def _text(ask: Ask, name: str, longest: int) -> str:
    value = ask.args.get(name)
    if not isinstance(value, str) or not value or len(value) > longest:
        raise ConfigError(f"{name}: expected a text of at most {longest:,} characters, found {str(value)[:40]!r}")
    return value


async def _read(found: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(_reader, found)
