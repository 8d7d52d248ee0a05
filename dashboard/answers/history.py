"""Answers of the history: one page of what the feed holds."""

from __future__ import annotations

from connectors.places import Page, Span
from connectors.stream_pages import Breath, page_of, reach_of, settled_end
from dashboard.access.hidden import hide_fields
from dashboard.asks import Ask
from dashboard.filters import parse
from dashboard.history.pages import Chosen, HistoryRow, Turn, history_row, page_value


async def history(ask: Ask) -> object:
    """A page of the part of the feed that was chosen (`Chosen`, `Turn`), as `page_value` tells it."""
    streams, hidden = ask.keys.changes, ask.hidden
    chosen, turn = Chosen.parse(ask.args), Turn.parse(ask.args, streams=len(ask.keys.changes))
    wanted = chosen.wanted(parse(chosen.filter).matches_fields)
    span = turn.span(chosen.span)
    if turn.before is None:
        end = await settled_end(ask.redis, streams)
        span = Span(span.after, end if span.before is None else min(span.before, end))
    page = await page_of(
        ask.redis,
        streams,
        span,
        count=turn.rows,
        newest_first=turn.newest_first,
        wanted=wanted,
        seen_as=lambda fields: hide_fields(fields, hidden),
    )
    return page_value(page, await rows_of(page), await reach_of(ask.redis, streams), turn, span)


async def rows_of(page: Page) -> list[HistoryRow]:
    """The rows of a page's entries; others are served in between, for entries may be large."""
    rows: list[HistoryRow] = []
    breath = Breath()
    for entry in page.entries:
        await breath.taken()
        rows.append(history_row(entry))
    return rows
