"""`dbwatch at`: what a row was at a moment, and what made it so."""

from __future__ import annotations

import time
from pathlib import Path

import click

from dbwatch.archive_option import archive_folder, archive_option, watched_database

FOUND, NO_ROW = 0, 1


@click.command("at", short_help="A row as it was at a moment, and what made it so")
@click.argument("moment", metavar="TIME")
@click.argument("view")
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the row, and the change that made it so.")
@archive_option()
def command(*, moment: str, view: str, key: str, as_json: bool, archive: Path | None) -> int:
    """Print a row as the feed had it at TIME, joined, and the change that made it so, from the archive.

    TIME is a time (2026-11-21T20:00:00Z; without an offset it is UTC), Unix milliseconds, an age (15m), a record's
    position, or now: the last that is recorded. VIEW and KEY are those of the records; a KEY that is text or a number
    may be given as it is.

    Ends with 0 when the row was there, 1 when there was no such row, 2 when the archive cannot tell.
    """
    # Imported here: reading Parquet takes a while to load that `--help` can do without.
    from connectors.archive.travel import Travel
    from dbwatch.past_lines import absence_line, past_json, past_lines

    travel = Travel(archive_folder(archive), database=watched_database)
    asked = travel.moment(moment, now_ms=time.time_ns() // 1_000_000, view=view)
    past = travel.row_at(view, key, asked)
    absence = travel.absence(view, key, asked) if past is None else None
    if as_json:
        click.echo(past_json(view, key, past, then=asked.text, absence=absence))
    elif past is not None:
        for line in past_lines(past, travel.lookups(view), then=f"at {asked.text}"):
            click.echo(line)
    elif absence is not None:
        click.echo(f"dbwatch: {absence_line(view, key, absence, then=f'at {asked.text}')}", err=True)
    return NO_ROW if past is None else FOUND
