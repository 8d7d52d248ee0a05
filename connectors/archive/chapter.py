"""What is written beside the files of a chapter: what they hold, and how far each partition has come. An edge: it
writes files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from connectors.archive.layout import CHAPTER, FileName, progress_name, run_of_progress
from connectors.archive.refusals import refused
from connectors.durable import sync_folder, write_durably
from connectors.errors import ArchiveLost, ConfigError, Fenced

FORMAT = 1

OnUnreadable = Callable[[Path, ConfigError], None]
"""Told of a chapter's folder that cannot be read, and why, by who goes on without it."""

_LATER_OF_CHAPTER = frozenset({"gone", "image"})
_LATER_OF_PROGRESS = frozenset({"run", "runs", "files"})
"""What older versions did not write."""


class Chapter(NamedTuple):
    """A full image of every row, and every change after it.

    `begin` is the position of the image, empty as long as it is not whole; before it the chapter can say nothing.
    `views` and `masks` are what the job was told then, as JSON values: the fields of `flows.views.Views`. `folded`
    tells, by partition, the last change (commit and number in it) that has gone into the image since; `gone`, by
    partition and collection, the last file's number of those that are in the image, or were before it. `image` has the
    numbers of the image's files by collection, None when that is not known.
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
    gone: Mapping[str, Mapping[str, int]] = MappingProxyType({})
    image: Mapping[str, Sequence[int]] | None = None


class Progress(NamedTuple):
    """How far one partition has come: every change of its rows up to `position` is in commits up to `seq`. `durable`
    is a commit that the job will not take back: what comes after it may be written anew by a restart, the same.

    `image` tells whether it has emitted all rows of its first reading. `at_ms` is when this was written (Unix ms).
    `run` counts the starts of the partition's writer, and `runs` tells from which commit on (first) which run wrote
    (second): what another one that was paused meanwhile gives a name to later is nothing. `files` is the number of
    the last file of each collection; None when an older version wrote this.
    """

    partition: int
    seq: int
    durable: int
    position: str
    image: bool
    at_ms: int
    run: int = 0
    runs: Sequence[Sequence[int]] = ()
    files: Mapping[str, int] | None = None

    def has_written(self, name: FileName) -> bool:
        """Whether a file is of the run that its commit is of."""
        owner = next((run for first, run in reversed(self.runs) if first <= name.first), None)
        return name.run in (0, owner) or owner is None


class Reached(NamedTuple):
    """What the source knows of its progress."""

    position: str
    image: bool


def write_chapter(root: Path, chapter: Chapter) -> None:
    """Make or replace the chapter's folder entry, durably."""
    folder = root / chapter.name
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"folded": dict(chapter.folded), "gone": {name: dict(last) for name, last in chapter.gone.items()}}
    write_durably(folder / CHAPTER, _json({"format": FORMAT, **chapter._asdict(), **plain}))
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
        told = (name for name in Chapter._fields if name in value or name not in _LATER_OF_CHAPTER)
        return Chapter(**{name: value[name] for name in told})
    except KeyError as exc:
        raise ConfigError(f"{file}: {exc} is missing; restore the file from a copy") from exc


def read_chapters(root: Path, *, passed_over: OnUnreadable | None = None) -> list[Chapter]:
    """All chapters of an archive, by when they were made. Raises `ConfigError` when the folder is not there, or, unless
    somebody is told of what is passed over, when one of them cannot be read.
    """
    if not root.is_dir():
        raise ConfigError(
            f"archive folder {root}: no such folder; a job makes it once `[archive]` is set, see docs/archive.md"
        )
    found: list[Chapter] = []
    for folder in root.iterdir():
        if folder.name.startswith(".") or not (folder / CHAPTER).exists():
            continue
        try:
            found.append(read_chapter(folder))
        except FileNotFoundError:  # dropped at this moment
            continue
        except ConfigError as exc:
            if passed_over is None:
                raise
            passed_over(folder, exc)
    return sorted(found, key=lambda chapter: (chapter.created_ms, chapter.name))


def chapter_lost(folder: Path) -> ArchiveLost:
    """What is to be said of a chapter that is not there any more while its job writes it."""
    return ArchiveLost(
        f"archive folder {folder}: its {CHAPTER} was removed while the job runs; another chapter is begun, and the "
        "feed lacks nothing"
    )


def write_progress(folder: Path, progress: Progress) -> None:
    """Replaces what this run said before, durably: a start that finds less here than in the recovery store takes the
    chapter for one that lacks commits, and a file that a power failure left empty would be no progress at all.
    """
    write_durably(folder / progress_name(progress.partition, progress.run), _json(progress._asdict()))


def begin_run(folder: Path, progress: Progress) -> None:
    """From now on this run's word is that of the partition; what an earlier one may still say is not heard.

    Raises `Fenced` when another run has begun as well, `OSError`.
    """
    file = folder / progress_name(progress.partition, progress.run)
    try:
        write_durably(file, _json(progress._asdict()), name_it=_link)
    except FileExistsError as exc:
        raise Fenced(f"archive chapter {folder}: another run of the job has begun to write it; this one ends") from exc
    for run in _runs(folder, progress.partition):
        if run < progress.run:
            (folder / progress_name(progress.partition, run)).unlink(missing_ok=True)


def read_progress(folder: Path, partition: int) -> Progress | None:
    """What the newest run says; None when the partition has said nothing yet. Raises `ConfigError`."""
    while runs := _runs(folder, partition):
        file = folder / progress_name(partition, max(runs))
        try:
            value = _read(file)
            told = (name for name in Progress._fields if name in value or name not in _LATER_OF_PROGRESS)
            return Progress(**{name: value[name] for name in told})
        except FileNotFoundError:  # a start has taken its place
            continue
        except KeyError as exc:
            raise ConfigError(f"{file}: {exc} is missing; the next start of the job writes it anew") from exc
    return None


def _runs(folder: Path, partition: int) -> list[int]:
    """The runs of which there is a progress."""
    found = (run_of_progress(file.name, partition) for file in folder.glob("progress-*.json"))
    return [run for run in found if run is not None]


def complete_until(root: Path, chapter: Chapter) -> str | None:
    """The position up to which the chapter has every change of every partition; None while its image is not whole."""
    if not chapter.begin:
        return None
    found = [read_progress(root / chapter.name, partition) for partition in range(chapter.partitions)]
    if any(progress is None or not progress.image for progress in found):
        return None
    return min(progress.position for progress in found if progress is not None)


def _link(whole: Path, file: Path) -> None:
    """Give it its name unless that is taken; `FileExistsError` then."""
    try:
        os.link(whole, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if file.exists():
            raise FileExistsError(file) from None
        whole.replace(file)
    else:
        whole.unlink()


def _json(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _read(file: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as exc:
        raise refused(file, exc) or ConfigError(f"{file}: cannot be read ({exc}); restore it from a copy") from exc
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: expected a JSON object; restore it from a copy")
    return value  # pyright: ignore[reportUnknownVariableType]
