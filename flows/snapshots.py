"""Snapshots of a job that are kept: copies of its recovery store (`flows.saving` makes them). An edge: it reads files,
and removes them.

SNAPSHOTS/NAME/ holds the partition files and `dbwatch.json` as a recovery folder does, and `snapshot.json`, which says
what they are. It appears by a rename when all of it is on the disk; what is being made, or dropped, has a name that
begins with a dot. A job can be started with a copy of it, and a replay reads it.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from connectors.errors import ConfigError
from connectors.mongo_events import position_ms
from flows.recovery import LABEL, partition_files

META = "snapshot.json"
_META_FORMAT = 1
LEFT = ".unfinished"
"""How the name of a folder ends that is no snapshot yet, or no more."""

_NAMED = 5


class Reached(NamedTuple):
    """How far one partition of the source had come. `chapter` and `seq` name the last commit that it had put into the
    archive, if it was archived; `phase` is `snapshot` as long as it had not read all collections.
    """

    position: str
    phase: str
    chapter: str = ""
    seq: int = 0


class Snapshot(NamedTuple):
    """What a snapshot holds. `version` is of the program that ran the job, `made_for` what the state fits: settings by
    their names in `P:job`; `epoch` where the engine goes on. `files` are its partition files and their sizes.
    """

    folder: Path
    flow: str
    version: str
    state_format: int
    job_id: str
    generation: int
    epoch: int
    partitions: Mapping[str, Reached]
    made_for: Mapping[str, str]
    saved_ms: int
    files: Mapping[str, int]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def size(self) -> int:
        return sum(self.files.values())

    @property
    def position(self) -> str:
        """Every change up to it had been emitted, and none of a later one by all partitions."""
        return min(reached.position for reached in self.partitions.values())

    @property
    def position_ms(self) -> int:
        """Its wall time in Unix ms, to the second."""
        return position_ms(self.position)


class Damaged(NamedTuple):
    """A folder among the snapshots that cannot be used, and why."""

    folder: Path
    problem: str

    @property
    def name(self) -> str:
        return self.folder.name


def default_name(now_s: float) -> str:
    """By the time, in UTC."""
    return time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(now_s))


def find_snapshot(root: Path, name: str) -> Snapshot:
    """Raises `ConfigError` when there is none of this name, or it is damaged or of another version."""
    found = _look(require_folder(root, name))
    if isinstance(found, Damaged):
        raise ConfigError(f"snapshot {name} in {root}: {found.problem}; restore it from a copy, or drop it")
    return found


def require_folder(root: Path, name: str) -> Path:
    """The folder of a snapshot, which may be damaged; raises `ConfigError` when there is none of this name."""
    check_name(name)
    if not (root / name).is_dir():
        names = ", ".join(found.name for found in list_snapshots(root)[-_NAMED:])
        there = f"there are: {names}" if names else "there is none; `dbwatch snapshot save` makes one"
        raise ConfigError(f"snapshot {name}: not found in {root}; {there}")
    return root / name


def list_snapshots(root: Path) -> list[Snapshot | Damaged]:
    """All that are there, the oldest first, then the damaged ones. Raises `ConfigError` when the folder cannot be
    read.
    """
    try:
        folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise ConfigError(
            f"folder {root}: cannot be read as one of snapshots: {exc.strerror}; make it readable, or name another one"
        ) from exc
    found = [_look(folder) for folder in sorted(folders)]
    return sorted(found, key=_age)


def _age(snapshot: Snapshot | Damaged) -> tuple[bool, int]:
    return (True, 0) if isinstance(snapshot, Damaged) else (False, snapshot.saved_ms)


def drop_snapshot(root: Path, name: str) -> None:
    """Remove a snapshot, also a damaged one; what is left when that is cut off is no snapshot any more. Raises
    `ConfigError` when there is none, or it cannot be removed.
    """
    folder = require_folder(root, name)
    try:
        gone = root / f".{name}.{uuid.uuid4().hex}{LEFT}"
        folder.rename(gone)
        with suppress(FileNotFoundError):  # whoever saves one at the same time takes it away, too
            shutil.rmtree(gone)
    except OSError as exc:
        raise ConfigError(
            f"snapshot {name}: cannot be removed from {root}: {exc.strerror}; make the folder writable, and call again"
        ) from exc


def check_name(name: str) -> None:
    """Raise `ConfigError` for what cannot be the name of a snapshot."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        raise ConfigError(
            f"snapshot {name!r}: expected a name of up to 100 letters, digits and - _ . that does not begin with one of"
            " - and ."
        )


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """What a program may want to know of it."""
    return {
        "name": snapshot.name,
        "folder": str(snapshot.folder),
        **_values(snapshot),
        "position": snapshot.position,
        "position_ms": snapshot.position_ms,
        "size": snapshot.size,
    }


def meta_text(snapshot: Snapshot) -> str:
    """What `snapshot.json` holds."""
    return json.dumps({"format": _META_FORMAT, **_values(snapshot)}, indent=2) + "\n"


def _values(snapshot: Snapshot) -> dict[str, Any]:
    """What is written down of it."""
    values = snapshot._asdict()
    del values["folder"]
    return values | {
        "partitions": {name: reached._asdict() for name, reached in snapshot.partitions.items()},
        "made_for": dict(snapshot.made_for),
        "files": dict(snapshot.files),
    }


def _look(folder: Path) -> Snapshot | Damaged:
    """What is written down, held against the files that are there."""
    try:
        value = json.loads((folder / META).read_text(encoding="utf-8"))
        if value["format"] != _META_FORMAT:
            return Damaged(folder, f"its format is {value['format']}, this version reads {_META_FORMAT}")
        values: dict[str, Any] = {name: value[name] for name in Snapshot._fields if name != "folder"}
        values["partitions"] = {name: Reached(**reached) for name, reached in values["partitions"].items()}
        snapshot = Snapshot(folder, **values)
        sizes = {file.name: file.stat().st_size for file in partition_files(folder)}
    except FileNotFoundError:
        return Damaged(folder, f"{META} is missing")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        return Damaged(folder, f"{META} cannot be read ({exc})")
    if not (folder / LABEL).exists():
        return Damaged(folder, f"{LABEL} is missing")
    if sizes != dict(snapshot.files):
        return Damaged(folder, _difference(snapshot.files, sizes))
    return snapshot


def _difference(expected: Mapping[str, int], found: Mapping[str, int]) -> str:
    name = min(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    if name not in found:
        return f"{name} is missing"
    if name not in expected:
        return f"{name} is none of its files"
    return f"{name}: expected {expected[name]:,} bytes, found {found[name]:,}: it is cut off, or a job has used it"
