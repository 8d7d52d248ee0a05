"""What is written beside the files of a chapter: what they hold, and how far each partition has come. An edge: it
writes files.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from connectors.archive.layout import CHAPTER, progress_name
from connectors.errors import ConfigError

FORMAT = 1


class Chapter(NamedTuple):
    """A full image of every row, and every change after it.

    `begin` is the position of the image, empty as long as it is not whole; before it the chapter can say nothing.
    `views` and `masks` are what the job was told then, as JSON values: the fields of `flows.views.Views`. `folded`
    tells, by partition, the last change (commit and number in it) that has gone into the image since.
    """

    name: str
    job_id: str
    generation: int
    number: int
    database: str
    partitions: int
    begin: str
    created_ms: int
    version: str
    views: Sequence[Mapping[str, Any]]
    masks: Mapping[str, Sequence[str]]
    folded: Mapping[str, Sequence[int]] = MappingProxyType({})


class Progress(NamedTuple):
    """How far one partition has come: every change of its rows up to `position` is in commits up to `seq`. `durable`
    is a commit that the job will not take back: what comes after it may be written anew by a restart, the same.

    `image` tells whether it has emitted all rows of its first reading. `at_ms` is when this was written (Unix ms).
    """

    partition: int
    seq: int
    durable: int
    position: str
    image: bool
    at_ms: int


class Reached(NamedTuple):
    """What the source knows of its progress."""

    position: str
    image: bool


def write_chapter(root: Path, chapter: Chapter) -> None:
    """Make or replace the chapter's folder entry, durably."""
    folder = root / chapter.name
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / CHAPTER, {"format": FORMAT, **chapter._asdict(), "folded": dict(chapter.folded)})
    sync_folder(root)


def read_chapter(folder: Path) -> Chapter:
    """Raises `ConfigError` when it is not there, cannot be read or is of another version."""
    file = folder / CHAPTER
    value = _read(file)
    if value.get("format") != FORMAT:
        raise ConfigError(
            f"{file}: its format is {value.get('format')}, this version reads {FORMAT}; use the version that wrote it"
        )
    try:
        return Chapter(**{name: value[name] for name in Chapter._fields})
    except KeyError as exc:
        raise ConfigError(f"{file}: {exc} is missing; restore the file from a copy") from exc


def read_chapters(root: Path) -> list[Chapter]:
    """All chapters of an archive, by when they were made. Raises `ConfigError` when the folder is not there, or one of
    them cannot be read.
    """
    if not root.is_dir():
        raise ConfigError(
            f"archive folder {root}: no such folder; a job makes it once `[archive]` is set, see docs/archive.md"
        )
    folders = [folder for folder in root.iterdir() if not folder.name.startswith(".") and (folder / CHAPTER).exists()]
    found = [read_chapter(folder) for folder in folders]
    return sorted(found, key=lambda chapter: (chapter.created_ms, chapter.name))


def write_progress(folder: Path, progress: Progress) -> None:
    """Replaces what was said before, durably: a start that finds less here than in the recovery store takes the chapter
    for one that lacks commits, and a file that a power failure left empty would be no progress at all.
    """
    _write(folder / progress_name(progress.partition), progress._asdict())


def read_progress(folder: Path, partition: int) -> Progress | None:
    """None when the partition has said nothing yet. Raises `ConfigError`."""
    file = folder / progress_name(partition)
    try:
        value = _read(file)
        return Progress(**{name: value[name] for name in Progress._fields})
    except FileNotFoundError:
        return None
    except KeyError as exc:
        raise ConfigError(f"{file}: {exc} is missing; the next start of the job writes it anew") from exc


def complete_until(root: Path, chapter: Chapter) -> str | None:
    """The position up to which the chapter has every change of every partition; None while its image is not whole."""
    if not chapter.begin:
        return None
    found = [read_progress(root / chapter.name, partition) for partition in range(chapter.partitions)]
    if any(progress is None or not progress.image for progress in found):
        return None
    return min(progress.position for progress in found if progress is not None)


def sync_folder(folder: Path) -> None:
    """What was renamed in it, or made, is durable when this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(file: Path, value: Mapping[str, Any]) -> None:
    whole = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with whole.open("wb") as out:
            out.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        whole.replace(file)
    except OSError:  # a full disk would get one of these with every epoch
        with suppress(OSError):
            whole.unlink()
        raise
    sync_folder(file.parent)


def _read(file: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{file}: cannot be read ({exc}); restore it from a copy") from exc
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: expected a JSON object; restore it from a copy")
    return value  # pyright: ignore[reportUnknownVariableType]
