"""The Parquet files of a chapter: which there are, and what is wrong with one that cannot be read. An edge.

Files appear whole, by rename, and go once others hold what they held. So whoever finds that a listed file is gone lists
again. Of a segment and the parts it was made of only the segment is listed, of several images only the one that the
chapter begins with.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.archive.chapter import Chapter, Progress, read_chapter, read_progress
from connectors.archive.gaps import Gap, gaps, gaps_that_matter
from connectors.archive.layout import (
    IMAGE_HOUR,
    LOST,
    FileName,
    StoredFile,
    collection_of,
    hour_in,
    hour_of,
    image_number,
)
from connectors.archive.refusals import refused
from connectors.archive.schema import COLUMNS
from connectors.errors import BadRecord, ConfigError

LISTINGS = 100
"""How often a folder is listed anew because it has changed meanwhile, before that is called an error."""


class Contents(NamedTuple):
    """A chapter as it was at one time, and its files that count: by hour, collection, partition and first commit, the
    image's first. `gaps` are files that should be there, too.
    """

    folder: Path
    chapter: Chapter
    files: Sequence[StoredFile]
    gaps: Sequence[Gap]

    def require(
        self,
        *,
        upper: str,
        collections: Collection[str] | None = None,
        partition: int | None = None,
        after: int = 0,
    ) -> None:
        """That no file with changes up to a position is missing, of these collections (None: of all), of one partition
        or all, with commits after `after`. Raises `ConfigError`.
        """
        found = gaps_that_matter(
            self.gaps, collections=collections, last_hour=hour_of(upper), partition=partition, after=after
        )
        if found:
            raise found[0].error(self.folder)

    def require_image(self, collections: Collection[str] | None = None) -> None:
        """That no file of the image of these collections (None: of all) is missing. Raises `ConfigError`."""
        for gap in self.gaps:
            if gap.is_image and (collections is None or gap.collection in collections):
                raise gap.error(self.folder)


def contents(root: Path, name: str) -> Contents:
    """What a chapter holds now. Raises `ConfigError` when it is not there (any more) or cannot be read."""
    folder = root / name
    for _ in range(LISTINGS):
        try:
            chapter = read_chapter(folder)
            told = _told(folder, chapter)  # before the listing: of what it tells of, all is there by then
            files = listed(folder)
            # A listing may miss what appears while it is made, the chapter's image may just have been replaced, and a
            # start may have taken commits back.
            if (
                files == listed(folder)
                and chapter == read_chapter(folder)
                and _runs(told) == _runs(_told(folder, chapter))
            ):
                written = [file for file in files if _is_of_record(file, told)]
                missing = gaps(chapter, written, told) if chapter.begin else []
                return Contents(folder, chapter, counting(written, chapter.begin), missing)
        except FileNotFoundError as exc:
            raise ConfigError(f"archive chapter {folder}: it is not there; see which are in {root}") from exc
    raise ConfigError(f"archive chapter {folder}: its files change faster than they can be listed; try again")


def _told(folder: Path, chapter: Chapter) -> dict[int, Progress]:
    found = {number: read_progress(folder, number) for number in range(chapter.partitions)}
    return {number: progress for number, progress in found.items() if progress is not None}


def _runs(told: Mapping[int, Progress]) -> list[tuple[int, int]]:
    return [(number, progress.run) for number, progress in told.items()]


def _is_of_record(file: StoredFile, told: Mapping[int, Progress]) -> bool:
    """Not so a part that a run, paused before it gave it its name, has named after another run had replaced it."""
    progress = told.get(file.name.partition)
    return file.name.kind != "part" or progress is None or progress.has_written(file.name)


def listed(folder: Path) -> list[StoredFile]:
    """All files of a chapter, whether they count or not, in the order of `Contents`."""
    found: list[StoredFile] = []
    for below in folder.iterdir():
        try:
            collection = collection_of(below.name)
        except BadRecord:
            continue
        found.extend(_files_of(below, collection))
    return sorted(found, key=_order)


def _files_of(folder: Path, collection: str) -> Iterable[StoredFile]:
    for hour_folder in _there(folder):
        hour = hour_in(hour_folder.name)
        if hour is None:
            continue
        for path in _there(hour_folder):
            name = FileName.parse(path.name)
            if name is not None:
                yield StoredFile(path, collection, hour, name)


def _there(folder: Path) -> list[Path]:
    """What is in a folder, nothing when that is gone, or is none."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _order(file: StoredFile) -> tuple[bool, str, str, int, int, int, str]:
    name = file.name
    return not file.is_image, file.hour, file.collection, name.partition, name.first, -name.last, name.kind


def counting(files: Sequence[StoredFile], begin: str) -> list[StoredFile]:
    """Those of all a chapter's files that hold what counts, when the chapter begins at `begin`."""
    number = image_number(begin) if begin else -1
    images = {file.name.first for file in files if file.is_image and file.name.first <= number}
    current = max(images, default=-1)
    first_hour = hour_of(begin) if begin else ""
    there = [file for file in files if not file.name.lost]
    return [
        file
        for group in groupby(there, lambda file: (file.hour, file.collection, file.name.partition))
        for file in _uncovered(list(group[1]))
        if (file.name.first == current if file.is_image else file.hour >= first_hour)
    ]


def _uncovered(files: Sequence[StoredFile]) -> list[StoredFile]:
    """Of one hour, collection and partition: without what a segment holds too."""
    segments = [file for file in files if file.name.kind == "segment"]
    return [file for file in files if not any(covers(segment, file) for segment in segments)]


def covers(segment: StoredFile, file: StoredFile) -> bool:
    """Whether a segment of the same hour, collection and partition holds all that another file holds."""
    if file.is_image or segment.name == file.name:
        return False
    return segment.name.first <= file.name.first and file.name.last <= segment.name.last


@contextmanager
def opened(file: StoredFile) -> Generator[pq.ParquetFile]:
    """The file, open. What goes wrong with its contents while it is used becomes a `ConfigError` that tells what was
    in it, what the system refuses one that tells why; `FileNotFoundError` tells that it is gone.
    """
    try:
        with pq.ParquetFile(file.path, pre_buffer=False, page_checksum_verification=True) as parquet:
            missing = set(COLUMNS.names) - set(parquet.schema_arrow.names)
            if missing:
                raise damaged(file, f"it has no column {sorted(missing)[0]}")
            yield parquet
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as exc:
        raise refused(file.path, exc) or damaged(file, str(exc) or type(exc).__name__) from exc


def within(metadata: pq.FileMetaData, *, begin: str, upper: str) -> bool:
    """Whether its row groups' statistics say that all positions lie in between."""
    ranges = [bounds(metadata, group, "position") for group in range(metadata.num_row_groups)]
    return all(found is not None and begin <= found[0] and found[1] <= upper for found in ranges)


def groups_with(parquet: pq.ParquetFile, column: str, value: str) -> list[int]:
    """The row groups that may have a value in a column."""
    ranges = ((group, bounds(parquet.metadata, group, column)) for group in range(parquet.num_row_groups))
    return [group for group, found in ranges if found is None or found[0] <= value <= found[1]]


def bounds(metadata: pq.FileMetaData, group: int, column: str) -> tuple[Any, Any] | None:
    """The smallest and the largest value in a row group, None when the file does not say."""
    statistics = metadata.row_group(group).column(metadata.schema.names.index(column)).statistics
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else None


def damaged(file: StoredFile, reason: str) -> ConfigError:
    """What is to be said of a file that cannot be read."""
    name = file.name
    why = " ".join(reason.split())[:160].rstrip(". ")
    if file.hour == IMAGE_HOUR:
        held = f"rows of {file.collection} as of the chapter's beginning"
        range_left = "rows of other collections, and rows changed since, can still be read"
        way_out = "restore it from a copy, or remove the chapter's folder: the job then begins a new one when it starts"
    else:
        commits = f"commits {name.first} to {name.last} of partition {name.partition}"
        held = f"changes of {file.collection} from the hour {file.hour} (UTC), {commits}"
        range_left = f"moments before {file.hour}:00Z, where the chapter begins before that, can still be read"
        way_out = f"restore it from a copy, or, to do without these changes, add {LOST} to its name"
    return ConfigError(f"archive file {file.path} cannot be read ({why}): it held {held}; {range_left}; {way_out}")
