"""Files of a chapter that are not there, though its records know of them: deleted, or not copied. Pure.

Each part has a number: of what its partition has written of its collection, one by one. A segment has the numbers of
the parts that it was made of. So from the number after those that went into the image (`Chapter.gone`) up to the last
that was written (`Progress.files`) each is in the name of some file. The files of an image are told by the chapter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from connectors.archive.chapter import Chapter, Progress
from connectors.archive.layout import FileName, StoredFile, collection_folder, hour_folder, hour_of
from connectors.errors import ConfigError


class Gap(NamedTuple):
    """Files of one collection and partition that are missing, by number, and between which others they were: what they
    held lies in these commits and hours. `first_hour` is empty for files of an image.
    """

    collection: str
    partition: int
    numbers: tuple[int, int]
    commits: tuple[int, int]
    first_hour: str
    last_hour: str

    @property
    def is_image(self) -> bool:
        return self.first_hour == ""

    def error(self, folder: Path) -> ConfigError:
        """What is to be said of it."""
        if self.is_image:
            return ConfigError(
                f"archive chapter {folder}: file {self.partition} of the image of {self.collection} is missing, with "
                "rows as of the chapter's beginning; rows of other collections can still be read; restore it from a "
                "copy, or remove the chapter's folder: the job then begins a new one when it starts"
            )
        first, last = self.numbers
        files = f"file {first} is" if first == last else f"files {first} to {last} are"
        lost = FileName("part", self.partition, *self.commits, self.numbers, lost=True)
        place = f"{collection_folder(self.collection)}/{hour_folder(self.first_hour)}/{lost}"
        hours = f"hour {self.first_hour}" + (f" to {self.last_hour}" if self.last_hour != self.first_hour else "")
        return ConfigError(
            f"archive chapter {folder}: {files} missing of {self.collection}, partition {self.partition}: changes "
            f"from commits {self.commits[0]} to {self.commits[1]}, {hours} (UTC); moments before "
            f"{self.first_hour}:00Z, where the chapter begins before that, can still be read; restore them from a "
            f"copy, or, to do without these changes, make an empty file {place}"
        )


def gaps(chapter: Chapter, files: Iterable[StoredFile], progress: Mapping[int, Progress]) -> list[Gap]:
    """What is missing of a chapter that has a beginning; `files` are all that there are, also those that count no more.
    `progress` was read before the files were listed.
    """
    of_image: defaultdict[str, set[int]] = defaultdict(set)
    numbered: defaultdict[tuple[int, str], list[StoredFile]] = defaultdict(list)
    for file in files:
        if file.is_image:
            of_image[file.collection].add(file.name.partition)
        elif file.name.numbers is not None:
            numbered[file.name.partition, file.collection].append(file)
    found = list(_of_image(chapter, of_image))
    first_hour = hour_of(chapter.begin)
    for partition, told in progress.items():
        gone = chapter.gone.get(str(partition), {})
        for collection, last in (told.files or {}).items():
            edges = _Edges(chapter, told, gone.get(collection, 0), last)
            missing = _missing(collection, partition, numbered[partition, collection], edges)
            found += [gap for gap in missing if gap.last_hour >= first_hour]
    return found


def gaps_that_matter(
    found: Iterable[Gap],
    *,
    collections: Collection[str] | None,
    last_hour: str,
    partition: int | None = None,
    after: int = 0,
) -> list[Gap]:
    """Of changes of these collections (None: of all) up to an hour, of one partition or all, after a commit."""
    return [
        gap
        for gap in found
        if (collections is None or gap.collection in collections)
        and not gap.is_image
        and gap.first_hour <= last_hour
        and partition in (None, gap.partition)
        and gap.commits[1] > after
    ]


def is_gap_between(found: Iterable[Gap], before: StoredFile, file: StoredFile) -> bool:
    """Whether something is missing between two files of one collection and partition."""
    place = (file.collection, file.name.partition)
    earlier, later = _numbers(before)[0], _numbers(file)[1]
    return any((gap.collection, gap.partition) == place and earlier < gap.numbers[0] < later for gap in found)


class _Edges(NamedTuple):
    """What is told of a collection's files: which are gone as they should be, and which is the last."""

    chapter: Chapter
    told: Progress
    gone: int
    last: int


def _of_image(chapter: Chapter, there: Mapping[str, set[int]]) -> Iterator[Gap]:
    for collection, numbers in (chapter.image or {}).items():
        for number in numbers:
            if number not in there.get(collection, ()):
                yield Gap(collection, number, (number, number), (0, 0), "", "")


def _missing(collection: str, partition: int, files: Sequence[StoredFile], edges: _Edges) -> Iterator[Gap]:
    reached, before = edges.gone, None
    for file in sorted(files, key=_numbers):
        first, last = _numbers(file)
        if first > reached + 1:
            yield _gap(collection, partition, (reached + 1, first - 1), before, file, edges)
        if last > reached:
            reached, before = last, file
    if edges.last > reached:
        yield _gap(collection, partition, (reached + 1, edges.last), before, None, edges)


def _gap(
    collection: str,
    partition: int,
    numbers: tuple[int, int],
    before: StoredFile | None,
    after: StoredFile | None,
    edges: _Edges,
) -> Gap:
    first_hour = hour_of(edges.chapter.begin) if before is None else before.hour
    position = edges.told.position or edges.chapter.begin
    last_hour = hour_of(position) if after is None else after.hour
    first = 1 if before is None else before.name.last
    last = edges.told.seq if after is None else after.name.first
    return Gap(collection, partition, numbers, (first, max(first, last)), first_hour, max(first_hour, last_hour))


def _numbers(file: StoredFile) -> tuple[int, int]:
    return file.name.numbers or (0, 0)
