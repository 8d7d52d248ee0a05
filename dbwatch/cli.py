"""The command line: a table of commands, and the one place where an error becomes a line and an exit status."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

import click

from connectors import logs
from connectors.errors import DBWatchError

INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


class Entry(NamedTuple):
    """Where a command is, as `module:attribute`, and what the list of commands says of it."""

    target: str
    help: str


# Imported on demand, so that `dbwatch --help` is quick and a command loads only what it needs.
COMMANDS: Mapping[str, Entry] = {
    "demo": Entry("dbwatch.commands.demo:command", "Everything at once: servers, films, a story, flow and dashboard"),
    "up": Entry("dbwatch.commands.up:command", "Start MongoDB and Valkey on this machine"),
    "init": Entry("dbwatch.commands.init:command", "Look at your database and write a first dbwatch.toml"),
    "sample": Entry("dbwatch.commands.sample:command", "Fill a database with films, users and comments"),
    "simulate": Entry("dbwatch.commands.simulate:command", "Write to it: a story to watch, or a load at a rate"),
    "run": Entry("dbwatch.commands.run:command", "Watch the database and write the feed until it is stopped"),
    "tail": Entry("dbwatch.commands.tail:command", "Print the feed as it is written"),
    "at": Entry("dbwatch.commands.at:command", "A row as it was at a moment, and what made it so"),
    "history": Entry("dbwatch.commands.history:command", "All versions of a row, with what changed and why"),
    "replay": Entry("dbwatch.commands.replay:command", "Run the past once more, up to a moment, or repair the feed"),
    "verify": Entry("dbwatch.commands.verify:command", "Compare the database with the feed, row by row"),
    "doctor": Entry("dbwatch.commands.doctor:command", "Look over servers, job and recovery folder: what is wrong"),
    "snapshot": Entry("dbwatch.commands.snapshot:command", "Keep copies of the recovery folder"),
    "deadletter": Entry("dbwatch.commands.deadletter:command", "Look at changes that were set aside, and mend them"),
    "users": Entry("dbwatch.commands.users:command", "Add, change and list who may sign in to the dashboard"),
}


class LazyGroup(click.Group):
    """A group whose commands are those of a table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="Log more, and show the traceback of an error.")
@click.version_option(version("dbwatch"), prog_name="dbwatch")
def cli(*, verbose: bool) -> None:
    """Watch a database: every change, joined with the rows it refers to, as a live feed in Redis Streams.

    Settings come from the environment, from .env and from dbwatch.toml in this folder.
    """
    logs.configure(verbose=verbose)


def run(args: Sequence[str]) -> int:
    """Run the command line `args` and give the exit status; an error is one line on stderr."""
    try:
        result: object = cli.main(list(args), prog_name="dbwatch", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except DBWatchError as exc:
        return _report(str(exc), exc, exit_status=exc.exit_status, args=args)
    except Exception as exc:  # the last resort: a bug, or an edge whose errors nobody translated
        return _report(f"{type(exc).__name__}: {exc} (--verbose shows where)", exc, exit_status=1, args=args)
    return result if isinstance(result, int) else 0


def _report(text: str, exc: Exception, *, exit_status: int, args: Sequence[str]) -> int:
    if _is_verbose(args):
        traceback.print_exception(exc)
    if text:
        click.echo(f"dbwatch: error: {' '.join(text.split())}", err=True)
    return exit_status


def _is_verbose(args: Sequence[str]) -> bool:
    """Whether the option stands before the command; commands may have a `-v` of their own."""
    return any(arg in {"-v", "--verbose"} for arg in args[: _command_at(args)])


def _command_at(args: Sequence[str]) -> int:
    return next((i for i, arg in enumerate(args) if not arg.startswith("-")), len(args))
