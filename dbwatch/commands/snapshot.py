"""`dbwatch snapshot`: copies of the recovery folder that are kept."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from dbwatch.folder_option import folder_option
from dbwatch.recovery_option import recovery_option

SNAPSHOTS = Path("snapshots")
_LEFT_ALONE = 1

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


_where = folder_option("--folder", "folder", SNAPSHOTS, "Folder of the snapshots.")


@click.group("snapshot")
def command() -> None:
    """Keep copies of the recovery folder, to go back to or to replay from.

    A snapshot is the state of the job as of one moment: what the join knows of every row, and where the source was. It
    holds none of the records in Redis, and no changes: those are in the streams and in the archive.
    """


@command.command("save")
@click.argument("name", required=False)
@recovery_option("The job's recovery folder.")
@folder_option("--into", "folder", SNAPSHOTS, "Folder to put the snapshot into; made when missing.")
def save(*, name: str | None, recovery: Path, folder: Path) -> None:
    """Save a snapshot of the job, which may be running.

    NAME is made of letters, digits and - _ . ; without one it is the time in UTC. The name is printed when the snapshot
    is whole and on the disk. An existing one is never replaced.
    """
    # Imported here: the engine and the drivers take a second that `--help` can do without.
    from connectors.amounts import size_text
    from connectors.times import to_the_second
    from dbwatch.verify_progress import progress_bar
    from flows.saving import save_snapshot
    from flows.snapshots import default_name

    began_s = time.monotonic()
    with progress_bar() as tell:
        found = save_snapshot(recovery, folder, name or default_name(time.time()), tell=tell)
    took_s = time.monotonic() - began_s
    click.echo(found.name)
    goes_to = to_the_second(found.position_ms)
    click.echo(f"saved in {took_s:.1f} s: {size_text(found.size)}, goes up to {goes_to}, {found.folder}", err=True)


@command.command("list")
@_where
@_json
def list_(*, folder: Path, as_json: bool) -> None:
    """List the snapshots, the oldest first; damaged ones last."""
    from dbwatch.snapshot_lines import snapshot_json, snapshot_table
    from flows.snapshots import list_snapshots

    found = list_snapshots(folder)
    if not found:
        click.echo(f"no snapshots in {folder}; `dbwatch snapshot save` makes one", err=True)
        return
    for line in map(snapshot_json, found) if as_json else snapshot_table(found):
        click.echo(line)


@command.command("show")
@click.argument("name")
@_where
@_json
def show(*, name: str, folder: Path, as_json: bool) -> None:
    """Show all that is known of a snapshot."""
    from dbwatch.snapshot_lines import snapshot_json, snapshot_lines
    from flows.snapshots import find_snapshot

    found = find_snapshot(folder, name)
    for line in [snapshot_json(found)] if as_json else snapshot_lines(found):
        click.echo(line)


@command.command("drop")
@click.argument("name")
@_where
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def drop(*, name: str, folder: Path, yes: bool) -> int:
    """Remove a snapshot, also a damaged one. Asks first; ends with 1 when the answer is no."""
    from connectors.errors import ConfigError
    from flows.snapshots import drop_snapshot, require_folder

    require_folder(folder, name)
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"snapshot {name}: nobody can be asked here; give --yes to remove it")
        if not click.confirm(f"Remove the snapshot {name} from {folder}?", err=True):
            return _LEFT_ALONE
    drop_snapshot(folder, name)
    click.echo(f"snapshot {name} removed from {folder}", err=True)
    return 0
