"""`dbwatch init`: write a first `dbwatch.toml` by looking at a database."""

from __future__ import annotations

from pathlib import Path

import click

from connectors.errors import ConfigError
from connectors.mongo_checks import check
from connectors.mongo_client import connect
from connectors.settings import Settings
from dbwatch.first_file import first_file
from dbwatch.guesses import View, guess
from dbwatch.look import MongoLook


@click.command("init")
@click.option(
    "-o",
    "--output",
    default="",
    show_default="the file of DBWATCH_CONFIG, dbwatch.toml",
    help="The file to write; - prints it.",
)
@click.option("-f", "--force", is_flag=True, help="Replace the file if it is there.")
def command(*, output: str, force: bool) -> None:
    """Look at the database MONGO_DB, and write a file with a view of each collection and guessed lookups and masks.

    Reads up to 200 documents of each collection, and changes nothing in MongoDB.
    """
    settings = Settings.load()
    path = None if output == "-" else Path(output) if output else settings.config_path
    if path and path.exists() and not force:
        raise ConfigError(
            f"{path}: is there already; --force replaces it, --output names another file, --output - prints"
        )
    check(uri=settings.mongo_uri, database=settings.mongo_db, collections=())
    with connect(settings.mongo_uri) as client:
        looking = MongoLook(client, settings.mongo_db)
        collections, left_out = looking.collections()
        views = guess({name: looking.look(name) for name in collections}, looking.found)
    text = first_file(settings.mongo_db, views, left_out)
    if path is None:
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}; name another file with --output") from exc
    click.echo(f"{path}: {_summary(views)}; look it over, then `dbwatch run`", err=True)


def _summary(views: list[View]) -> str:
    lookups, masks = sum(len(view.lookups) for view in views), sum(len(view.mask) for view in views)
    return f"{len(views)} views, {lookups} guessed lookups, {masks} masked fields"
