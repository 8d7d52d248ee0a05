"""Which chapter of the archive a job writes. Decided once, by the leading process; an edge: it makes the chapter's
folder.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path

import orjson
import structlog

from connectors.archive.chapter import Chapter, Reached, read_chapters, read_progress, write_chapter
from connectors.archive.layout import CHAPTER, LONGEST_NAME, chapter_name, collection_folder
from connectors.archive.settings import ArchiveSettings
from connectors.archive.source import Archived
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState, partition_number
from connectors.views import Views
from flows.job import Job

log = structlog.get_logger()

_PROBE = ".dbwatch-can-write"
"""How the name of a file begins that is made to see whether one can be; each process of a cluster makes its own."""


def check_folder(archive: ArchiveSettings, *, collections: Collection[str]) -> None:
    """Make the archive's folder unless it is there. Raises `ConfigError` when it cannot be made or written, or when a
    collection cannot have a folder in it: writing would wait for that as for a disk that is full.
    """
    for collection in collections:
        if len(collection_folder(collection)) > LONGEST_NAME:
            raise ConfigError(
                f"archive folder {archive.folder}: the collection {collection!r} cannot have a folder there: its name "
                f"has more than {LONGEST_NAME} bytes as {collection_folder('')}NAME, in which each byte that is no "
                "letter or digit of English takes three; switch the archive off with DBWATCH_ARCHIVE=off, or watch the "
                "collection by another job"
            )
    probe = archive.folder / f"{_PROBE}.{uuid.uuid4().hex}"
    try:
        archive.folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(b"x" * 4096)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"archive folder {archive.folder}: cannot be written: {exc.strerror}; make it writable, name another one "
            "in [archive] or DBWATCH_ARCHIVE, or switch the archive off with DBWATCH_ARCHIVE=off"
        ) from exc


def begin_chapter(
    archive: ArchiveSettings,
    job: Job,
    states: Mapping[str, object],
    *,
    database: str,
    partitions: int,
    views: Views,
) -> Chapter:
    """The chapter that the job goes on with or begins, its folder made. `states` are those that its partitions resume
    from, empty when the collections are to be read.

    A job goes on with the chapter that all its states are of, as long as that is there. Another one than the first of
    its generation has no image yet: its `begin` is empty. Raises `ConfigError`.
    """
    known = _known(archive.folder, job)
    chapter = _usable(archive.folder, _going_on(known, job, states, partitions), states)
    if chapter is not None:
        log.info("archive.resumed", chapter=chapter.name, begin=chapter.begin)
        return chapter
    number = 1 + max((_number(name, job) for name in {*known, *_named(states)}), default=0)
    raw = orjson.loads(orjson.dumps(views))
    chapter = Chapter(
        name=chapter_name(job.job_id, job.generation, number),
        job_id=job.job_id,
        generation=job.generation,
        number=number,
        database=database,
        partitions=partitions,
        begin="" if states else job.snapshot_position,
        created_ms=time.time_ns() // 1_000_000,
        version=version("dbwatch"),
        views=raw["views"],
        masks=raw["masks"],
        image=None if states else {},
    )
    _make(archive.folder, chapter)
    log.info("archive.begun", chapter=chapter.name, image="now" if states else "first reading")
    return chapter


def _known(root: Path, job: Job) -> dict[str, Chapter]:
    """The chapters of the job's generation, by name. Another job's that cannot be read is passed over."""

    def passed_over(folder: Path, exc: ConfigError) -> None:
        if _number(folder.name, job):
            raise exc
        log.warning("archive.passed_over", reason=str(exc))

    return {chapter.name: chapter for chapter in read_chapters(root, passed_over=passed_over) if _is_of(chapter, job)}


def _usable(root: Path, chapter: Chapter | None, states: Mapping[str, object]) -> Chapter | None:
    """The chapter, unless it does not hold what was written to it up to these states, or no more what comes after."""
    if chapter is None:
        return None
    if _lacks_commits(root / chapter.name, states):
        log.warning("archive.lacks_commits", chapter=chapter.name, effect="another chapter is begun")
        return None
    if _is_folded_beyond(chapter, states):
        log.warning("archive.folded_beyond", chapter=chapter.name, effect="another chapter is begun")
        return None
    return chapter


def _make(root: Path, chapter: Chapter) -> None:
    try:
        write_chapter(root, chapter)
    except OSError as exc:
        raise ConfigError(f"archive folder {root}: {chapter.name} cannot be made: {exc.strerror}; make room") from exc


def shared_chapter(archive: ArchiveSettings | None, job: Job) -> Path | None:
    """The chapter's folder, for a process that was told of it by the first. Raises `ConfigError` when it was not told
    the same as that one, or does not see the same folder.
    """
    if (archive is None) != (not job.chapter):
        expected, found = ("off", "on") if archive else ("on", "off")
        raise ConfigError(
            f"DBWATCH_ARCHIVE: expected the archive to be {expected}, as in the first process, found it {found}; give "
            "all processes the same settings"
        )
    if archive is None:
        return None
    folder = archive.folder / job.chapter
    if not (folder / CHAPTER).exists():
        raise ConfigError(
            f"archive folder {archive.folder}: expected the chapter {job.chapter} that the first process has begun, "
            "found none; all processes of a job need one folder that they share"
        )
    return folder


def reached_by(state: SourceState, *, collections: Collection[str]) -> Reached:
    """How far a partition of the source has come, as the archive tells it."""
    return Reached(state.position, set(collections).issubset(state.done))


def _is_of(chapter: Chapter, job: Job) -> bool:
    return (chapter.job_id, chapter.generation) == (job.job_id, job.generation)


def _named(states: Mapping[str, object]) -> set[str]:
    return {state.chapter for state in states.values() if isinstance(state, Archived)}


def _number(name: str, job: Job) -> int:
    """Of a chapter of this job's generation; 0 for another's."""
    prefix, _, number = name.rpartition("-")
    is_of_it = prefix + "-" == chapter_name(job.job_id, job.generation, 0)[:-4] and number.isdecimal()
    return int(number) if is_of_it else 0


def _lacks_commits(folder: Path, states: Mapping[str, object]) -> bool:
    """Whether commits that the states know of were taken back: by a run with an older copy of the recovery folder,
    which has been replaced by a newer one since.
    """
    for name, state in states.items():
        progress = read_progress(folder, partition_number(name))
        if isinstance(state, Archived) and progress is not None and progress.seq < state.seq:
            return True
    return False


def _is_folded_beyond(chapter: Chapter, states: Mapping[str, object]) -> bool:
    """Whether commits that come again are in the chapter's image: the recovery folder is an older copy, for otherwise
    retention touches only what is not taken back. Written anew, they would have other numbers than `folded` tells.
    """
    for name, state in states.items():
        seq, _ = chapter.folded.get(str(partition_number(name)), (0, 0))
        if isinstance(state, Archived) and state.seq < seq:
            return True
    return False


def _going_on(known: Mapping[str, Chapter], job: Job, states: Mapping[str, object], partitions: int) -> Chapter | None:
    newest = max(known.values(), key=lambda chapter: chapter.number, default=None)
    if newest is None or newest.partitions != partitions:
        return None
    if not states:  # killed before its first checkpoint: it reads again at the same time
        return newest if newest.begin == job.snapshot_position and not newest.folded else None
    named = _named(states)
    if len(states) == partitions and all(isinstance(state, Archived) for state in states.values()) and len(named) == 1:
        (name,) = named
        if name in known:
            return known[name]
    # One that was begun, and the job killed before any state told of it, may be begun anew.
    return newest if not newest.begin and newest.name not in named else None
