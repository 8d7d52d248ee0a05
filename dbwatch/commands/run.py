"""`dbwatch run`: the live job, with a recovery store that it makes when there is none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connectors.ending import Ending
from connectors.settings import Settings
from dbwatch.recovery_option import recovery_option

if TYPE_CHECKING:
    from flows.launch import Launch

_STORE_TIMEOUT_S = 30.0


@click.command("run", short_help="Watch the database and write the feed until it is stopped")
@recovery_option("Folder of the recovery snapshots; made when missing. A restart with the same folder goes on exactly.")
@click.option("--no-recovery", is_flag=True, help="Keep no recovery snapshots: a restart reads the collections again.")
@click.option(
    "--remote-store",
    is_flag=True,
    help="Process 0 keeps the recovery snapshots, on another machine: the folder stays empty here.",
)
@click.option(
    "-s",
    "--snapshot-interval",
    type=click.IntRange(1, 3600),
    default=5,
    show_default=True,
    help="Seconds between recovery snapshots.",
)
@click.option(
    "-b",
    "--backup-interval",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="Seconds for which replaced snapshots are kept, so that the folder can be copied while the job runs.",
)
@click.option(
    "-w", "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Workers in this process."
)
@click.option("-i", "--process-id", type=click.IntRange(0), default=0, help="Number of this process in a cluster.")
@click.option("-a", "--addresses", default="", help="host:port of every process of a cluster, separated by semicolons.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    recovery: Path,
    no_recovery: bool,
    remote_store: bool,
    snapshot_interval: int,
    backup_interval: int,
    workers: int,
    process_id: int,
    addresses: str,
) -> None:
    """Watch the database and write the feed, until Ctrl-C or SIGTERM ends it with a snapshot.

    Settings come from the environment and .env (MONGO_URI, MONGO_DB, REDIS_URL, DBWATCH_CONFIG, DBWATCH_PREFIX,
    DBWATCH_MONGO_PARTITIONS, DBWATCH_STREAM_SHARDS, DBWATCH_STREAM_MAXLEN, DBWATCH_METRICS, DBWATCH_ARCHIVE); the
    views, and whether an archive is kept, from dbwatch.toml.
    """
    # Imported here: the engine and the drivers take a second that `--help` can do without.
    from bytewax.run import cli_main  # pyright: ignore[reportUnknownVariableType]

    from flows.launch import Launch
    from flows.process import end_on_signals, engine_failed, leave, without_backtraces
    from flows.watch import prepare

    verbose = bool(ctx.find_root().params.get("verbose"))
    settings = Settings.load()
    settings.config()  # before a folder is made
    launch = Launch(None if no_recovery else recovery, workers, process_id, tuple(a for a in addresses.split(";") if a))
    if remote_store and (launch.leads or launch.recovery is None):
        raise click.UsageError("--remote-store is for the processes of a cluster from number 1 on, with recovery")
    if launch.recovery is not None:
        _make_ready(launch.recovery, leads=launch.leads, is_remote=remote_store)
    without_backtraces()
    ending = Ending()
    end_on_signals(ending)
    run = prepare(settings, launch, ending)
    ending.on_abandon(lambda: leave(ending, run.pulse, run.again, verbose=verbose))
    try:
        cli_main(run.dataflow, **engine_options(launch, snapshot_interval, backup_interval))
    except BaseException as exc:  # a panic of the engine is no Exception
        if engine_failed(ending, run.pulse, exc) and verbose:
            raise
    leave(ending, run.pulse, run.again, verbose=verbose)


def _make_ready(recovery: Path, *, leads: bool, is_remote: bool) -> None:
    """The store: made by the process that leads, awaited by the others, and not here where it `is_remote`."""
    from dbwatch.replay_folder import check_not_of_a_replay
    from flows.recovery import FLOW_ID, await_store, make_store, stay_empty

    if leads:
        check_not_of_a_replay(recovery)
        make_store(recovery)
    elif is_remote:
        stay_empty(recovery)
    else:
        await_store(recovery, flow_id=FLOW_ID, timeout_s=_STORE_TIMEOUT_S)


def engine_options(launch: Launch, snapshot_interval_s: int, backup_interval_s: int) -> dict[str, Any]:
    """What `cli_main` is told, as `bytewax.run` tells it."""
    from bytewax.recovery import RecoveryConfig

    recovery = None
    if launch.recovery is not None:
        recovery = RecoveryConfig(str(launch.recovery), timedelta(seconds=backup_interval_s))
    return {
        "workers_per_process": launch.workers,
        "process_id": launch.process if launch.addresses else None,
        "addresses": list(launch.addresses) or None,
        "epoch_interval": timedelta(seconds=snapshot_interval_s),
        "recovery_config": recovery,
    }
