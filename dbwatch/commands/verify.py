"""`dbwatch verify`: whether the feed says what the database holds."""

from __future__ import annotations

import click

from connectors.errors import ConfigError, DBWatchError
from connectors.settings import Settings

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
def command(*, views: tuple[str, ...], as_json: bool, sample: int, timeout_s: float) -> int:
    """Compare every row of the database, joined as the views say, with the last record of its key in the feed.

    Ends with 0 when they agree, 1 when rows are missing, stale or extra, 2 when they cannot be compared. The job may
    run meanwhile, and the database may change: what is in flight is waited for. Rows whose last record may have been
    trimmed from the stream are counted apart.
    """
    # Imported here: the drivers take a while that `--help` can do without.
    from dbwatch.verify_lines import json_line, text_lines
    from dbwatch.verify_progress import progress_bar
    from flows.verify.command import verify
    from flows.verify.comparison import Options

    try:
        with progress_bar() as tell:
            report = verify(Settings.load(), views, Options(sample, timeout_s), tell)
    except DBWatchError as exc:
        if exc.exit_status == CANNOT:
            raise
        raise ConfigError(str(exc)) from exc  # 1 means drift here
    for line in [json_line(report)] if as_json else text_lines(report):
        click.echo(line)
    return DRIFT if report.drift else NO_DRIFT
