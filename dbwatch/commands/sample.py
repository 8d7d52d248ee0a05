"""`dbwatch sample`: fill a database with films, users and comments."""

from __future__ import annotations

import click

from connectors.settings import Settings
from dbwatch.fill import ALL_FILMS, Filled, Sizes, fill
from dbwatch.mongo_writer import writing_to
from dbwatch.progress import ProgressLine

_DEFAULT = Sizes()


@click.command("sample")
@click.option("--movies", type=click.IntRange(0, ALL_FILMS), default=_DEFAULT.movies, show_default=True)
@click.option("--users", type=click.IntRange(0, 5_000_000), default=_DEFAULT.users, show_default=True)
@click.option("--comments", type=click.IntRange(0, 15_000_000), default=_DEFAULT.comments, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same rows.")
def command(*, movies: int, users: int, comments: int, seed: int) -> None:
    """Fill MONGO_DB with real films and made-up users and comments, in the shape of MongoDB's sample_mflix.

    Collections that already hold something are left alone.
    """
    fill_with_progress(Settings.load(), sizes=Sizes(movies, users, comments), seed=seed)


def fill_with_progress(settings: Settings, *, sizes: Sizes, seed: int) -> Filled:
    """Fill, tell how far it is and what is there in the end."""
    with ProgressLine() as line, writing_to(settings) as client:

        def tell(collection: str, done: int, total: int) -> None:
            line.tell(f"{settings.mongo_db}.{collection}: {done:,} of {total:,}")

        filled = fill(client, settings.mongo_db, sizes=sizes, seed=seed, progress=tell)
    counts = ", ".join(f"{count:,} {name}" for name, count in filled.sizes._asdict().items())
    click.echo(f"{settings.mongo_db}: {counts}{' (there already)' if filled.was_there else ''}", err=True)
    return filled
