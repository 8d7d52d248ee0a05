"""`dbwatch demo`: everything at once, on this machine."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import click
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from connectors.records import Record
from connectors.stream_ids import Placed
from dbwatch import demo
from dbwatch.commands.up import DEFAULT_FOLDER
from dbwatch.fill import ALL_FILMS, Sizes
from dbwatch.folder_option import folder_option
from dbwatch.signals import ending_on_signals
from dbwatch.tail_lines import text_line

_DEFAULT = Sizes()


@click.command("demo")
@folder_option(
    "--folder",
    "folder",
    DEFAULT_FOLDER / "demo",
    "Where data, logs and state are kept. The next demo goes on with them.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    default=5006,
    show_default=True,
    help="The dashboard's, or one after it.",
)
@click.option("--movies", type=click.IntRange(1, ALL_FILMS), default=_DEFAULT.movies, show_default=True)
@click.option("--users", type=click.IntRange(1, 1_000_000), default=_DEFAULT.users, show_default=True)
@click.option("--comments", type=click.IntRange(0, 5_000_000), default=_DEFAULT.comments, show_default=True)
@click.option(
    "--speed", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, help="How fast the story goes."
)
def command(*, folder: Path, port: int, movies: int, users: int, comments: int, speed: float) -> None:
    """Start real servers, real films, a story, the flow and the dashboard; Ctrl-C stops them all.

    Everything listens on 127.0.0.1 only.
    """
    options = demo.Options(folder, port, Sizes(movies, users, comments), seed=1, speed=speed)
    with ending_on_signals() as ending:
        demo.run(options, ending, demo.Hooks(_Progress().tell, _show_invitation, _show_first_change, _show_log))


class _Progress:
    """Lines with the time since the beginning, as long as there is a terminal to write them to."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def tell(self, text: str) -> None:
        with suppress(OSError):
            click.echo(f"{time.monotonic() - self._began_s:6.1f} s  {text}", err=True)


def _show_invitation(invitation: demo.Invitation) -> None:
    text = Text.assemble(
        ("Open      ", "dim"), (invitation.url, "bold cyan"),
        ("\nUser      ", "dim"), (invitation.user, "bold"),
        ("\nPassword  ", "dim"), (invitation.password, "bold"), ("  (signs in once)", "dim"),
    )  # fmt: skip
    console = Console(soft_wrap=True, highlight=False)
    console.print()
    console.print(Panel.fit(text, title="DB Watch", padding=(1, 4)))
    console.print("Ctrl-C stops everything.\n")


def _show_first_change(entry: Placed[Record]) -> None:
    click.echo(f"The first change is live: {text_line(entry)}", err=True)


def _show_log(text: str) -> None:
    click.echo(f"\n{text}\n", err=True)
