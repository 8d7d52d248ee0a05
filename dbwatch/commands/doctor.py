"""`dbwatch doctor`: what is wrong, and the command that mends it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from connectors.settings import Settings
from dbwatch.recovery_option import recovery_option

_COLOURS: Mapping[str, str] = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "bright_black"}


@click.command("doctor", short_help="Look over the servers, the job and its recovery folder")
@recovery_option("The job's recovery folder.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
def command(*, recovery: Path, as_json: bool) -> int:
    """Look over MongoDB, Redis, the job and its recovery folder, and say what is wrong and what mends it.

    Changes nothing. Ends with 0 when nothing fails, 1 when something does, 2 when the settings cannot be used.
    """
    # Imported here: the drivers take a while that `--help` can do without.
    from dbwatch.doctor.examination import examine
    from dbwatch.doctor.facts import Facts
    from dbwatch.doctor.lines import json_of, lines_of, outcome_of
    from dbwatch.doctor.look_mongo import look_at_mongo
    from dbwatch.doctor.look_redis import look_at_redis
    from dbwatch.doctor.look_store import look_at_store
    from flows.recovery import FLOW_ID
    from flows.views import parse_views

    settings = Settings.load()
    views = parse_views(settings.config(), file=str(settings.config_path))
    with ThreadPoolExecutor() as pool:
        mongo = pool.submit(look_at_mongo, settings.mongo_uri, settings.mongo_db, views.collections)
        redis, job = look_at_redis(settings)
        store = look_at_store(recovery, flow_id=FLOW_ID)
        verdicts = examine(Facts(mongo.result(), redis, job, store, settings.stream_maxlen))
    if as_json:
        click.echo(json_of(verdicts))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for verdict in verdicts:
            click.secho("\n".join(lines_of(verdict, width)), fg=_COLOURS[verdict.level])
        click.echo(outcome_of(verdicts))
    return int(any(verdict.level == "fail" for verdict in verdicts))
