"""`dbwatch verify`: whether the feed says what the database holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from connectors.errors import ConfigError, DBWatchError
from connectors.settings import Settings
from dbwatch.recovery_option import recovery_option

if TYPE_CHECKING:
    from flows.verify.comparison import Options

INTERRUPTED = 130
NO_DRIFT, DRIFT, CANNOT = 0, 1, 2


@click.command("verify", short_help="Compare the database with the feed")
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="The whole outcome as one JSON object.")
@click.option(
    "--sample",
    type=click.IntRange(0, 100_000),
    default=20,
    show_default=True,
    metavar="N",
    help="How many differing rows to name.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a running job may take to come up to the database.",
)
@click.option("--repair", is_flag=True, help="Write what differs; no job may run meanwhile.")
@recovery_option("With --repair: the job's recovery folder.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    views: tuple[str, ...],
    as_json: bool,
    sample: int,
    timeout_s: float,
    repair: bool,
    recovery: Path,
) -> int:
    """Compare every row of the database, joined as the views say, with the last record of its key in the feed.

    Ends with 0 when they agree, 1 when rows are missing, stale or extra, 2 when they cannot be compared. The job may
    run meanwhile, and the database may change: what is in flight is waited for. Rows whose last record may have been
    trimmed from the stream are counted apart.

    With --repair, and no job running: when they differ, the job's collections are read again and what differs from the
    feed is written, all views; then they are compared once more.
    """
    # Imported here: the drivers take a while that `--help` can do without.
    from flows.verify.comparison import Options

    settings, options = Settings.load(), Options(sample, timeout_s)
    try:
        if not repair:
            return _told(settings, views, options, as_json=as_json)
        from dbwatch.repair import read_again, sole_writer

        with sole_writer(settings, recovery):
            found = _told(settings, views, options, as_json=as_json)
        if found == NO_DRIFT:
            return found
        verbose = bool(ctx.find_root().params.get("verbose"))
        if not read_again(settings, recovery, "dbwatch verify --repair found drift", verbose=verbose):
            return INTERRUPTED
        return _told(settings, views, options, as_json=as_json)
    except DBWatchError as exc:
        if exc.exit_status == CANNOT:
            raise
        raise ConfigError(str(exc)) from exc  # 1 means drift here


def _told(settings: Settings, views: tuple[str, ...], options: Options, *, as_json: bool) -> int:
    """Compare, print the outcome, and give the exit status."""
    from dbwatch.verify_lines import json_line, text_lines
    from dbwatch.verify_progress import progress_bar
    from flows.verify.command import verify

    with progress_bar() as tell:
        report = verify(settings, views, options, tell)
    for line in [json_line(report)] if as_json else text_lines(report):
        click.echo(line)
    return DRIFT if report.drift else NO_DRIFT
