"""`dbwatch simulate`: a story to watch, or a load at a rate."""

from __future__ import annotations

import re
from typing import Any

import click

from connectors.settings import Settings
from dbwatch.load import DEFAULT_MIX, parse_mix
from dbwatch.mongo_writer import writing_to
from dbwatch.progress import ProgressLine
from dbwatch.signals import ending_on_signals
from dbwatch.simulate import run_load, run_story

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}


class _Duration(click.ParamType[float]):
    """Seconds, or a number with s, m or h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value).strip())
        if not found or float(found.group(1)) == 0:
            self.fail(f"{value!r} is not a time such as 30, 30s, 5m or 1h", param, ctx)
        return float(found.group(1)) * _UNITS_S[found.group(2)]


@click.command("simulate")
@click.option("--rate", type=click.FloatRange(0, 1e6, min_open=True), help="Load: so many writes a second.")
@click.option("--mix", metavar="MIX", help=f"Load: the share of each kind of write.  [default: {DEFAULT_MIX}]")
@click.option("--duration", type=_Duration(), metavar="TIME", help="End after 30s, 5m, 1h.  [default: at Ctrl-C]")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same choices.")
@click.option("--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="Story: how fast.")
def command(*, rate: float | None, mix: str | None, duration: float | None, seed: int, speed: float) -> None:
    """Write to MONGO_DB: a story for someone who watches, or with --rate a load.

    Both end on Ctrl-C with a summary. Rows that they need are made by `dbwatch sample`.
    """
    if mix is not None and rate is None:
        raise click.UsageError("--mix goes with --rate")
    weights = parse_mix(mix or DEFAULT_MIX)
    settings = Settings.load()
    with ending_on_signals() as ending, writing_to(settings) as client:
        db = client[settings.mongo_db]
        if rate is None:
            done = run_story(db, ending, seed=seed, speed=speed, duration_s=duration, tell=click.echo)
        else:
            with ProgressLine() as line:
                done = run_load(db, ending, rate_per_s=rate, mix=weights, seed=seed, duration_s=duration, progress=line)
    click.echo(done.text(), err=True)
