"""`dbwatch history`: all versions of a row, with what changed and why."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbwatch.archive_option import archive_folder, archive_option, watched_database

if TYPE_CHECKING:
    from connectors.archive.past import PastVersion
    from connectors.archive.travel import Gap, Travel

FOUND, NO_ROW = 0, 1


@click.command("history", short_help="All versions of a row, with what changed and why")
@click.argument("view")
@click.argument("key")
@click.option("--since", metavar="TIME", help="From then on: a time, milliseconds, an age (15m) or a position.")
@click.option("--until", metavar="TIME", help="Up to then; the same forms.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the last N versions of these.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the names of a record's fields.")
@archive_option()
def command(
    *,
    view: str,
    key: str,
    since: str | None,
    until: str | None,
    limit: int | None,
    as_json: bool,
    archive: Path | None,
) -> int:
    """Print all versions of a joined row that the archive holds, oldest first: when, what changed, and by which cause.

    Versions that came about because a row that it refers to changed name the lookup. Where nothing was recorded for
    some time, a line says so. VIEW and KEY are those of the records; a KEY that is text or a number may be given as it
    is.

    Ends with 0 when there are versions, 1 when there are none, 2 when the archive cannot tell, as of a TIME before it
    begins or after what is recorded.
    """
    from connectors.archive.travel import Travel

    travel = Travel(archive_folder(archive), database=watched_database)
    now_ms = time.time_ns() // 1_000_000
    first, last = (
        None if text is None else travel.moment_within(text, now_ms=now_ms, view=view) for text in (since, until)
    )
    found = travel.history(view, key, since=first, until=last)
    try:
        count = _print(found if limit is None else deque(found, maxlen=limit), travel, view, key, as_json=as_json)
    except BrokenPipeError:  # whoever read this has enough, as `head` does; click would call it an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FOUND
    if not count:
        told = " and of ".join(one.text for one in travel.recorded(view))
        when = "in that time" if since or until else "that is recorded"
        click.echo(f"dbwatch: no version of a row {key!r} of {view} {when}; the archive tells of {told}", err=True)
    return FOUND if count else NO_ROW


def _print(found: Iterable[PastVersion | Gap], travel: Travel, view: str, key: str, *, as_json: bool) -> int:
    from dbwatch.past_lines import version_json, version_lines

    lookups, count = travel.lookups(view), 0
    for version in found:
        count += 1
        if as_json:
            click.echo(version_json(view, key, version))
        else:
            for line in version_lines(view, key, version, lookups):
                click.echo(line)
    return count
