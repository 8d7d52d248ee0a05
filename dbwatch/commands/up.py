"""`dbwatch up`: the embedded servers, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

from dbwatch.folder_option import folder_option
from dbwatch.servers import Servers
from dbwatch.signals import ending_on_signals

DEFAULT_FOLDER = Path(".dbwatch")
_FOREVER_S = 3600.0


@click.command("up")
@folder_option("--folder", "folder", DEFAULT_FOLDER, "Where data, logs and state are kept.")
@click.option("--mongo-port", type=click.IntRange(0, 65535), default=27017, show_default=True, help="Taken when free.")
@click.option("--redis-port", type=click.IntRange(0, 65535), default=6379, show_default=True, help="Taken when free.")
def command(*, folder: Path, mongo_port: int, redis_port: int) -> None:
    """Start MongoDB (a replica set of one) and Valkey on this machine, and stop them on Ctrl-C.

    They listen on 127.0.0.1 only; the data stays in the folder. When they run already, their addresses are printed and
    nothing else is done.
    """
    servers = Servers(folder, mongo_port=mongo_port, redis_port=redis_port)
    with ending_on_signals() as ending, servers as addresses:
        click.echo(f"export MONGO_URI='{addresses.mongo_uri}'")
        click.echo(f"export REDIS_URL='{addresses.redis_url}'")
        if not servers.owned:
            click.echo("They were running already; who started them stops them.", err=True)
            return
        click.echo(f"MongoDB and Valkey are running, their data is in {folder}. Ctrl-C stops them.", err=True)
        while not ending.wait(_FOREVER_S):
            pass
        click.echo("Stopping.", err=True)
