"""How much of the past is kept: by age, and by size. An edge: it changes files.

Beyond either limit the oldest hours are folded into the image of their chapter (`connectors.archive.folding`), and
chapters that have ended go whole once all of them is beyond it. The newest image, and the last hour, always stay. Of
other jobs that have the same folder, only chapters go to which nobody has written for as long as changes are kept.

An age is counted from the time of the last changes that are archived, as their positions have it, and never from later
than this machine's clock says: one clock alone that is far ahead makes nothing old. A job that lags behind keeps more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import NamedTuple

from connectors.archive.chapter import (
    Chapter,
    OnUnreadable,
    Progress,
    complete_until,
    read_chapters,
    read_progress,
)
from connectors.archive.folding import HOURS_AT_ONCE
from connectors.archive.layout import last_of_hour, seconds_of
from connectors.archive.listing import StoredFile, contents
from connectors.archive.settings import ArchiveSettings
from connectors.archive.sorted_files import Step
from connectors.durable import sync_folder
from connectors.errors import ConfigError

HOUR_S = 3_600
HOUR_MS = HOUR_S * 1000
SILENT_MS = 24 * HOUR_MS
"""For how long nobody must have written to another job's chapter before it may be too old."""

_DROPPED = ".dropped-"
_ROOM = 20  # of so many parts of the size that is allowed, one is made free: not an hour is folded every few minutes


class Fold(NamedTuple):
    """A chapter is to begin at the end of an hour."""

    chapter: str
    hour: str


class Drop(NamedTuple):
    """A chapter is to go whole."""

    chapter: str


class Hour(NamedTuple):
    """An hour of a chapter, and the size of its files."""

    hour: str
    bytes: int

    @property
    def end_ms(self) -> int:
        return (seconds_of(last_of_hour(self.hour)) + 1) * 1000


class Kept(NamedTuple):
    """A chapter, how it has come on, and its hours that may be folded, the oldest first.

    `last_ms` is when it was last written to. `has_ended`: by a later chapter of the same job, which is whole.
    `reached_ms` is the time up to which all its partitions have come, by their positions; 0 when one has said nothing.
    """

    chapter: Chapter
    bytes: int
    last_ms: int
    is_ours: bool
    has_ended: bool
    hours: Sequence[Hour]
    reached_ms: int


def counted_from(kept: Sequence[Kept], live: str, *, clock_ms: int) -> int:
    """The time from which ages are counted (Unix ms) while a job writes to the chapter `live`. Pure."""
    return next((min(each.reached_ms, clock_ms) for each in kept if each.chapter.name == live), 0)


def next_action(kept: Sequence[Kept], limits: ArchiveSettings, *, now_ms: int) -> Fold | Drop | None:
    """What retention does first; None when all is within the limits, or nothing more can be done. Pure."""
    return next(_by_age(kept, limits, now_ms=now_ms), None) or next(_by_size(kept, limits), None)


def _by_age(kept: Sequence[Kept], limits: ArchiveSettings, *, now_ms: int) -> Iterator[Fold | Drop]:
    if limits.keep_ms is None:
        return
    oldest = now_ms - limits.keep_ms
    # An image is written anew for each fold: a few hours at once, so that this does not go on all the time.
    patience = min(HOURS_AT_ONCE * HOUR_MS, limits.keep_ms // 16)
    for each in kept:
        has_ended = each.has_ended if each.is_ours else each.last_ms < now_ms - SILENT_MS
        if has_ended and each.last_ms < oldest:
            yield Drop(each.chapter.name)
        beyond = [hour for hour in each.hours if hour.end_ms <= oldest]
        if beyond and beyond[0].end_ms <= oldest - patience:
            yield Fold(each.chapter.name, beyond[:HOURS_AT_ONCE][-1].hour)


def _by_size(kept: Sequence[Kept], limits: ArchiveSettings) -> Iterator[Fold | Drop]:
    size = sum(each.bytes for each in kept)
    if limits.max_bytes is None or size <= limits.max_bytes:
        return
    excess = size - (limits.max_bytes - limits.max_bytes // _ROOM)
    for each in kept:
        if each.hours:
            oldest = each.hours[:HOURS_AT_ONCE]
            freed = accumulate(hour.bytes for hour in oldest)
            enough = next((hour for hour, size in zip(oldest, freed, strict=True) if size >= excess), oldest[-1])
            yield Fold(each.chapter.name, enough.hour)
        elif each.has_ended:
            yield Drop(each.chapter.name)


def survey(root: Path, live: str, *, passed_over: OnUnreadable | None = None) -> list[Kept]:
    """The chapters of an archive, the oldest first, to one of which this job is writing. Raises `ConfigError`, for one
    that cannot be read only if nobody is told of what is passed over.
    """
    chapters = read_chapters(root, passed_over=passed_over)
    ours = next((chapter for chapter in chapters if chapter.name == live), None)
    found: list[Kept] = []
    for chapter in chapters:
        try:
            found.append(_kept(root, chapter, ours))
        except ConfigError as exc:
            if passed_over is None:
                raise
            passed_over(root / chapter.name, exc)
    return found


def _kept(root: Path, chapter: Chapter, ours: Chapter | None) -> Kept:
    progress = [read_progress(root / chapter.name, partition) for partition in range(chapter.partitions)]
    last_ms = max((_last_ms(each) for each in progress if each is not None), default=chapter.created_ms)
    is_ours = ours is not None and ours.job_id == chapter.job_id
    has_ended = ours is not None and is_ours and ours.begin != "" and _age(chapter) < _age(ours)
    until = complete_until(root, chapter)
    durable = {each.partition: each.durable for each in progress if each is not None}
    hours = _hours(contents(root, chapter.name).files, until, durable) if is_ours and until is not None else []
    reached_ms = min((0 if each is None else _position_ms(each)) for each in progress)
    return Kept(chapter, size_of(root / chapter.name), last_ms, is_ours, has_ended, hours, reached_ms)


def _position_ms(progress: Progress) -> int:
    return seconds_of(progress.position) * 1000 if progress.position else 0


def _last_ms(progress: Progress) -> int:
    """When it was written; the clock may have been ahead then."""
    position_ms = _position_ms(progress)
    return min(progress.at_ms, position_ms) if position_ms else progress.at_ms


def _age(chapter: Chapter) -> tuple[int, str]:
    return chapter.created_ms, chapter.name


def _hours(files: Sequence[StoredFile], until: str, durable: Mapping[int, int]) -> list[Hour]:
    """The hours that may be folded: over for an hour at least, and of commits that will not be taken back."""
    found: list[Hour] = []
    changes = sorted((file for file in files if not file.is_image), key=lambda file: file.hour)
    for hour, group in groupby(changes, lambda file: file.hour):
        of_hour = list(group)
        is_settled = all(file.name.last <= durable.get(file.name.partition, 0) for file in of_hour)
        if not is_settled or seconds_of(last_of_hour(hour)) + HOUR_S > seconds_of(until):
            break
        found.append(Hour(hour, sum(_size(file.path) for file in of_hour)))
    return found


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(_size(path) for path in folder.rglob("*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def drop(root: Path, name: str, *, step: Step = lambda _: None) -> None:
    """Delete a chapter. It is gone at once; what a crash leaves of its files goes with the next `clean_dropped`."""
    step(f"drop {name}")
    (root / name).rename(root / f"{_DROPPED}{name}")
    sync_folder(root)
    clean_dropped(root, step=step)


def clean_dropped(root: Path, *, step: Step = lambda _: None) -> None:
    """Delete what is left of chapters that were dropped."""
    for folder in root.glob(f"{_DROPPED}*"):
        step(f"delete {folder.name}")
        shutil.rmtree(folder, ignore_errors=True)
