"""How the archive's folders and files are called. Pure.

    ARCHIVE/CHAPTER/chapter.json
    ARCHIVE/CHAPTER/progress-PARTITION-rRUN.json
    ARCHIVE/CHAPTER/collection=NAME/hour=2026-11-22T13/KIND-PARTITION-FIRST-LAST-FROM-TO-rRUN.parquet

A *chapter* begins with a full image of every row and holds every change after it. The hour is that of the changes'
positions, in UTC; rows of an image that was read or made later are in `hour=image`. FIRST and LAST are the *commits*
that a file holds: the number that a partition gives to what it makes durable at the end of an epoch. For the files of
an image, both are the image's number, which tells it from the one that it replaces.

FROM and TO number what a partition has written of a collection, each part by one: so it shows when one is gone. A
segment has the numbers of what it was made of. RUN is the run of the job that wrote a part or a progress. Files that
were written before there were these have none.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from connectors.archive.moment import LAST
from connectors.errors import BadRecord

Kind = Literal["part", "segment", "image"]
"""`part`: as it was written, in the order of emission. `segment`: parts of one hour made one, sorted by key and
position. `image`: the last change of each row as of the chapter's beginning, sorted by key.
"""

IMAGE_HOUR = "image"
WHOLE = (1 << 31) - 1
"""Stands for the number of the last change of a commit."""
IMAGE = -1
"""Stands among the partitions for the chapter's image."""
LONGEST_NAME = 255
"""Bytes that a folder's name may have: so it is on all file systems that we know of."""
CHAPTER = "chapter.json"


LOST = ".lost"
"""What somebody adds to the name of a file that is gone for good: nobody misses it any more."""

_NAME = re.compile(
    r"(part|segment|image)-(\d{3,})-(\d{10,})-(\d{10,})(?:-(\d{8,})-(\d{8,}))?(?:-r(\d{4,}))?\.parquet(\.lost)?",
    re.ASCII,
)


class FileName(NamedTuple):
    """One file of a partition; of an image too, of which there is one for each collection and partition.

    `numbers`, from and to, count what the partition has written of the collection; None in older files. `run` is that
    of a part, 0 when it is not known. `lost`: what the file held is gone, and whoever looks after the archive knows.
    """

    kind: Kind
    partition: int
    first: int
    last: int
    numbers: tuple[int, int] | None = None
    run: int = 0
    lost: bool = False

    def __str__(self) -> str:
        numbers = "" if self.numbers is None else "-{:08d}-{:08d}".format(*self.numbers)
        run = f"-r{self.run:04d}" if self.run else ""
        suffix = LOST if self.lost else ""
        return f"{self.kind}-{self.partition:03d}-{self.first:010d}-{self.last:010d}{numbers}{run}.parquet{suffix}"

    @classmethod
    def parse(cls, text: str) -> FileName | None:
        """None for a name that is none of ours, as that of a file that is still being written."""
        found = _NAME.fullmatch(text)
        if found is None or (found[1] == "image" and found[8]):  # a chapter cannot do without its image
            return None
        numbers = None if found[5] is None else (int(found[5]), int(found[6]))
        kind, partition, first, last = found[1], int(found[2]), int(found[3]), int(found[4])
        return cls(kind, partition, first, last, numbers, int(found[7] or 0), bool(found[8]))  # type: ignore[arg-type]


class StoredFile(NamedTuple):
    """A file of a chapter, and where it is."""

    path: Path
    collection: str
    hour: str
    name: FileName

    @property
    def is_image(self) -> bool:
        return self.name.kind == "image"


def chapter_name(job_id: str, generation: int, number: int) -> str:
    """The folder of a chapter: the `number`th that a generation of a job has begun, from 1 on."""
    return f"{job_id}-{generation:04d}-{number:04d}"


def collection_folder(collection: str) -> str:
    return f"collection={quote(collection, safe='')}"


def collection_of(folder: str) -> str:
    """The collection whose folder it is; raises `BadRecord` for another name."""
    name, found, value = folder.partition("=")
    if name != "collection" or not found:
        raise BadRecord(f"{folder!r} is no folder of a collection")
    return unquote(value)


def seconds_of(position: str) -> int:
    """The time of a position, in Unix seconds."""
    return int(position[:8], 16)


def hour_of(position: str) -> str:
    """The hour, in UTC, that a position belongs to: it begins with its seconds, in eight hex digits."""
    return datetime.fromtimestamp(seconds_of(position), UTC).strftime("%Y-%m-%dT%H")


def hour_folder(hour: str) -> str:
    return f"hour={hour}"


def hour_in(folder: str) -> str | None:
    """The hour, or `image`, whose folder it is; None for another name, as that of a copy somebody made beside it."""
    found = re.fullmatch(rf"hour=(\d{{4}}-\d\d-\d\dT(?:[01]\d|2[0-3])|{IMAGE_HOUR})", folder, re.ASCII)
    return None if found is None else found[1]


def last_of_hour(hour: str) -> str:
    """The last position that belongs to an hour."""
    begin = datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    return f"{int(begin.timestamp()) + 3599:08x}{'f' * 8}{LAST}"


def image_number(begin: str) -> int:
    """The number of the image as of a position: later images have larger numbers."""
    return seconds_of(begin) + begin.endswith(LAST)  # the end of an hour is later than a time within its last second


def progress_name(partition: int, run: int = 0) -> str:
    return f"progress-{partition:03d}-r{run:04d}.json" if run else f"progress-{partition:03d}.json"


def run_of_progress(name: str, partition: int) -> int | None:
    """The run that wrote a file of this partition's progress; None for another file's name."""
    found = re.fullmatch(rf"progress-{partition:03d}(?:-r(\d{{4,}}))?\.json", name, re.ASCII)
    return None if found is None else int(found[1] or 0)
