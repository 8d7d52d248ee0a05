"""`dbwatch replay`: the past once more, into a stream of its own, or to repair the live one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from connectors.errors import DBWatchError, Stopped
from connectors.settings import Settings
from dbwatch.commands.snapshot import SNAPSHOTS
from dbwatch.folder_option import folder_option

if TYPE_CHECKING:
    from connectors.ending import Ending
    from flows.launch import Launch
    from flows.replay import Replay
    from flows.replaying.request import Request
    from flows.snapshots import Snapshot

_FOLDER = Path("replays")
_SNAPSHOT_INTERVAL_S, _BACKUP_INTERVAL_S = 5, 0


@click.command("replay", short_help="Run the past once more, up to a moment")
@click.option("--from", "snapshot", metavar="SNAPSHOT", default="", help="Go on after this snapshot of the job.")
@click.option(
    "-r",
    "--recovery",
    "copy",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="COPY",
    help="Go on after this copy of a recovery folder.",
)
@click.option("--until", metavar="TIME", default="", help="Where to end: a time, an age (15m), a position; else now.")
@click.option(
    "--until-snapshot",
    metavar="SNAPSHOT",
    default="",
    help="End just where the stopped job stood in this snapshot, so that another job can go on from there.",
)
@click.option(
    "--name",
    metavar="NAME",
    default="replay",
    show_default=True,
    help="Names its stream (P:replay:NAME) and its folder.",
)
@click.option(
    "--into",
    type=click.Choice(["changes"]),
    help="Repair the live stream instead of writing one of its own; no job may run meanwhile.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The views to run the past through, if other ones than the job's.",
)
@click.option(
    "--maxlen",
    type=click.IntRange(1),
    metavar="N",
    help="Keep about the last N entries of each stream. Default: all; with --into, DBWATCH_STREAM_MAXLEN.",
)
@click.option("--replace", is_flag=True, help="Throw away what a replay of this name has left, and begin anew.")
@click.option(
    "-w", "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Workers in this process."
)
@folder_option("--folder", "folder", _FOLDER, "Where replays work; each has a folder of its own below.")
@folder_option("--snapshots", "snapshots", SNAPSHOTS, "Folder of the snapshots.")
@click.option("--json", "as_json", is_flag=True, help="What came of it as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    snapshot: str,
    copy: Path | None,
    until: str,
    until_snapshot: str,
    name: str,
    into: str | None,
    config: Path | None,
    maxlen: int | None,
    replace: bool,
    workers: int,
    folder: Path,
    snapshots: Path,
    as_json: bool,
) -> int:
    """Run the past through the join once more, from the archive and then from MongoDB's log, up to a moment.

    Without --from it begins with the archive's image of every row, and may have other views than the job (--config).
    The job, its streams and its recovery folder are left alone, unless --into changes repairs the live stream. Ctrl-C
    stops with a snapshot, and the same command goes on.

    Ends with 0 at its moment, with 130 when it was stopped before, with 2 when it cannot be done.
    """
    # Imported here: the engine and the drivers take a second that `--help` can do without.
    from flows.replaying.request import Request, checked
    from flows.snapshots import find_snapshot

    if snapshot and copy is not None:
        raise click.UsageError("--from and -r are two ways to say the same: give one of them")
    request = checked(Request(name, until, into or "", maxlen, replace, until_snapshot))
    settings = Settings.load({"DBWATCH_CONFIG": str(config) if config else None})
    settings.config()  # before a folder is made
    found = find_snapshot(snapshots, snapshot) if snapshot else copy
    if until_snapshot:
        request = request._replace(until_snapshot=str(find_snapshot(snapshots, until_snapshot).folder))
    asked = {
        "from": snapshot,
        "recovery": str(copy or ""),
        "until": until,
        "until-snapshot": until_snapshot,
        "into": into or "",
        "config": str(config or ""),
        "maxlen": str(maxlen or ""),
    }
    verbose = bool(ctx.find_root().params.get("verbose"))
    return _run(settings, request, folder / name, asked, found, workers=workers, verbose=verbose, as_json=as_json)


def _run(
    settings: Settings,
    request: Request,
    folder: Path,
    asked: dict[str, str],
    copied: Snapshot | Path | None,
    *,
    workers: int,
    verbose: bool,
    as_json: bool,
) -> int:
    from connectors.ending import Ending
    from dbwatch.cli import INTERRUPTED
    from dbwatch.replay_folder import drop_unused, made
    from dbwatch.replay_lines import json_line, text_lines
    from dbwatch.replay_progress import replay_progress
    from flows.launch import Launch
    from flows.process import end_on_signals, without_backtraces
    from flows.replay import prepare

    if request.replace:
        _clear(settings, request, folder)
    recovery = made(folder, asked, copied)
    launch = Launch(recovery, workers)
    without_backtraces()
    ending = Ending()
    end_on_signals(ending)
    with replay_progress() as tell:
        try:
            replay = prepare(settings, launch, ending, request, tell)
        except Stopped:
            drop_unused(folder)
            return INTERRUPTED
        except DBWatchError:
            drop_unused(folder)
            raise
        _audit(settings, request)
        _execute(replay, launch, ending, verbose=verbose)
    summary = replay.finish()
    if ending.error is not None:
        raise ending.error
    streams = (settings.keys if request.into else settings.keys.of_replay(request.name)).changes
    for line in [json_line(summary)] if as_json else text_lines(summary, request, streams, recovery):
        click.echo(line)
    return 0 if summary.finished else INTERRUPTED


def _execute(replay: Replay, launch: Launch, ending: Ending, *, verbose: bool) -> None:
    """Returns at the replay's end, or when it was stopped; what went wrong is in `ending`."""
    from bytewax.run import cli_main  # pyright: ignore[reportUnknownVariableType]

    from dbwatch.commands.run import engine_options

    ending.on_abandon(lambda: replay.leave(verbose=verbose))
    try:
        cli_main(replay.dataflow, **engine_options(launch, _SNAPSHOT_INTERVAL_S, _BACKUP_INTERVAL_S))
    except BaseException as exc:  # a panic of the engine is no Exception
        if replay.failed(exc) and verbose:
            raise
    if ending.abandoned:
        replay.leave(verbose=verbose)


def _clear(settings: Settings, request: Request, folder: Path) -> None:
    """Take the folder of an earlier replay away, while nobody works in it."""
    from connectors.ending import Ending
    from connectors.redis_client import connect, reached
    from connectors.writer import acquire
    from dbwatch.replay_folder import clear

    keys = settings.keys.of_replay(request.name)
    with reached(connect(settings.redis_url), settings.redis_url) as client, acquire(client, keys.job, ending=Ending()):
        clear(folder)


def _audit(settings: Settings, request: Request) -> None:
    """Who replays what: into a stream that consumers read, or one of its own."""
    from connectors.audit import Audit
    from connectors.redis_client import connect
    from dbwatch.operator_name import operator_name

    until = f"snapshot {request.until_snapshot}" if request.until_snapshot else request.until or "now"
    what = f"replay {request.name} until {until}" + (f" into {request.into}" if request.into else "")
    with connect(settings.redis_url) as client:
        audit = Audit(client, settings.keys)
        audit.write(audit.entry("replay", who=operator_name(), what=what, address="dbwatch replay"))
