"""Where a replay works: REPLAYS/NAME/ with a recovery folder of its own, and what was asked for. An edge: it writes
files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from connectors.durable import write_durably
from connectors.errors import ConfigError
from flows.recovery import FLOW_ID, LABEL, make_store, open_store, partition_files, read_label
from flows.replaying.note import read_note
from flows.snapshots import META, Snapshot

_ASKED = "replay.json"
_RECOVERY = "recovery"
_MAKING = ".recovery"


def made(folder: Path, asked: Mapping[str, str], copied: Snapshot | Path | None) -> Path:
    """The recovery folder of a replay: that of an earlier call, or a new one, with what is in the snapshot or in the
    copied folder, or empty. Raises `ConfigError` when an earlier call asked for something else.
    """
    recovery = folder / _RECOVERY
    file = folder / _ASKED
    if file.exists():
        _check_same(file, asked)
        return recovery
    _check_unused(recovery)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        making = folder / _MAKING
        for left in (making, recovery):  # of a call that was cut off
            shutil.rmtree(left, ignore_errors=True)
        if copied is None:
            make_store(making)
        else:
            _copy(copied.folder if isinstance(copied, Snapshot) else copied, making)
        making.rename(recovery)
        write_durably(file, json.dumps(dict(asked), indent=2).encode() + b"\n")
    except OSError as exc:
        raise ConfigError(
            f"replay folder {folder}: cannot be made: {exc.strerror}; make room, or name another"
        ) from exc
    return recovery


def check_not_of_a_replay(recovery: Path) -> None:
    """Raises `ConfigError` when a new recovery folder would be made where replays have theirs: whoever names it means
    one of these, and its state must not be left out because of a slip.
    """
    if partition_files(recovery):
        return
    where = f"recovery folder {recovery}:"
    for folder, told in ((recovery, "it is that of"), (recovery.parent, "it is not that of")):
        if not (folder / _ASKED).is_file():
            continue
        theirs = folder / _RECOVERY
        if not partition_files(theirs):
            raise ConfigError(
                f"{where} the replay {folder.name} has no recovery folder any more; begin it anew with --replace"
            )
        which = "whose recovery folder is" if folder == recovery else "which is"
        raise ConfigError(f"{where} {told} the replay {folder.name}, {which} {theirs}; name that")
    of_replay = recovery.parent if recovery.name == _RECOVERY else recovery
    if names := _replays(of_replay.parent):
        raise ConfigError(
            f"{where} there is no replay {of_replay.name} in {of_replay.parent}, which has {', '.join(names)}; name "
            "the folder of one of these, or one elsewhere for a new job"
        )


def _replays(folder: Path) -> list[str]:
    """The replays in a folder that holds nothing else."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []
    if not all(path.is_dir() for path in found):
        return []
    return sorted(path.name for path in found if (path / _ASKED).is_file())


def clear(folder: Path) -> None:
    """Take away what an earlier call has left; raises `ConfigError` when a job uses it, or it cannot be removed."""
    recovery = folder / _RECOVERY
    if recovery.is_dir() and _is_of_a_job(recovery):
        raise ConfigError(
            f"replay folder {folder}: a job goes on after the replay with its recovery folder; give this replay "
            "another name"
        )
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as exc:
        raise ConfigError(
            f"replay folder {folder}: cannot be removed: {exc.strerror}; make it writable, or give this replay "
            "another name"
        ) from exc


def drop_unused(folder: Path) -> None:
    """Take the folder away unless a replay has begun in it."""
    recovery = folder / _RECOVERY
    if recovery.is_dir() and read_note(recovery) is None and not _is_of_a_job(recovery):
        clear(folder)


def _is_of_a_job(recovery: Path) -> bool:
    """Whether it is the folder that a job has written its label into, and no copy of it."""
    label = read_label(recovery)  # none where there is no folder
    return label is not None and label.inode == recovery.stat().st_ino and read_note(recovery) is None


def _copy(source: Path, target: Path) -> None:
    """The files of a recovery store that nobody uses."""
    store = open_store(source, flow_id=FLOW_ID)
    if _is_of_a_job(source) and not (source / META).exists():
        raise ConfigError(
            f"recovery folder {source}: it is the job's own; save a snapshot with `dbwatch snapshot save`, and name "
            "that with --from"
        )
    target.mkdir()
    for file in sorted(store.folder.iterdir()):
        if file.name == LABEL or file.name.startswith("part-"):
            shutil.copyfile(file, target / file.name)


def _check_unused(recovery: Path) -> None:
    """Raises `ConfigError` when somebody's state is in a folder of which nothing tells what it was made for."""
    if read_note(recovery) is None and not _is_of_a_job(recovery):
        return
    whose = "a job" if read_note(recovery) is None else "a replay"
    raise ConfigError(
        f"recovery folder {recovery}: it holds the state of {whose}, and there is no {_ASKED} beside it that says what "
        "was asked for; restore that file, or give this one another --name"
    )


def _check_same(file: Path, asked: Mapping[str, str]) -> None:
    try:
        before: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{file}: cannot be read ({exc}); begin the replay anew with --replace") from exc
    for name, value in asked.items():
        if before.get(name, "") != value:
            raise ConfigError(
                f"{file}: the replay was begun with --{name} {before.get(name) or '(none)'}, not {value or '(none)'}; "
                "call it as then, give this one another --name, or begin it anew with --replace"
            )
