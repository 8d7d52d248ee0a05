"""Parts of one hour are made segments, in which a key is found at once. An edge: it reads and writes files.

An hour that is over becomes segments of at most `SEGMENT_BYTES` of text each (one commit alone may be more, and is left
as it is when that is more than `LARGEST_BYTES`); of the hour that goes on, parts are made segments once they are many.
Only commits are touched that the job will not take back.

Guarantee: whatever happens in between, readers find each change once. A segment appears whole, and is preferred to what
it was made of; that goes after. What a crash left over goes with the next `clean`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from connectors.archive import tables
from connectors.archive.chapter import Chapter, Progress, read_progress, write_chapter
from connectors.archive.clocks import times_twice, told
from connectors.archive.gaps import Gap, is_gap_between
from connectors.archive.layout import FileName, StoredFile, last_of_hour
from connectors.archive.listing import Contents, contents, counting, listed, opened
from connectors.archive.schema import ROW_GROUP
from connectors.archive.sorted_files import SortedFile, Step, common_schema
from connectors.errors import ConfigError

SEGMENT_BYTES = 64 << 20
LARGEST_BYTES = 512 << 20
"""A commit of more text stays a part, which is read by row groups: a segment is sorted, and put back in order, as one
table in memory, of which Arrow takes no more than 2 GB of text.
"""
MANY_PARTS = 60
"""Parts of the hour that goes on, of one collection and partition, that a search for a key may have to look into."""


class Group(NamedTuple):
    """Files of one hour, collection and partition, with consecutive commits, that are to become one segment."""

    files: Sequence[StoredFile]

    @property
    def segment(self) -> StoredFile:
        first, last = self.files[0], self.files[-1]
        known = [file.name.numbers for file in self.files if file.name.numbers is not None]
        numbers = (known[0][0], max(upto for _, upto in known)) if known else None
        name = FileName("segment", first.name.partition, first.name.first, last.name.last, numbers)
        return StoredFile(first.path.with_name(str(name)), first.collection, first.hour, name)


def groups(root: Path, name: str, *, is_closed: bool = False) -> list[Group]:
    """What there is to compact in a chapter; `is_closed`: nobody writes to it any more. Raises `ConfigError`."""
    held = contents(root, name)
    found: list[Group] = []
    for partition in range(held.chapter.partitions):
        progress = read_progress(root / name, partition)
        if progress is None:
            continue
        files = [file for file in held.files if not file.is_image and file.name.partition == partition]
        for _, group in groupby(files, lambda file: (file.hour, file.collection)):
            found.extend(_of_hour(list(group), progress, held.gaps, is_closed=is_closed))
    return found


def _of_hour(
    files: Sequence[StoredFile], progress: Progress, missing: Sequence[Gap], *, is_closed: bool
) -> Iterator[Group]:
    settled = [file for file in files if file.name.last <= progress.durable]
    if is_closed or last_of_hour(files[0].hour) < progress.position:
        if len(settled) == len(files) and any(file.name.kind == "part" for file in files):
            yield from packed(settled, limit=SEGMENT_BYTES, missing=missing)
        return
    parts = [file for file in settled if file.name.kind == "part"]
    if len(parts) > MANY_PARTS:
        yield from packed(parts, limit=SEGMENT_BYTES, missing=missing)


def packed(files: Sequence[StoredFile], *, limit: int, missing: Sequence[Gap] = ()) -> Iterator[Group]:
    """Consecutive files together, as long as they have no more text than the limit, and nothing is missing in between,
    for a gap must stay one; a segment alone stays as it is, and so does what is too large.
    """
    waiting: list[StoredFile] = []
    size = 0
    for file in files:
        try:
            bytes_of_text = text_bytes(file)
        except (ConfigError, FileNotFoundError):
            bytes_of_text = limit  # stays alone, so that it spoils no other's group
        if bytes_of_text > LARGEST_BYTES:
            yield from _group(waiting)
            waiting, size = [], 0
            continue
        if waiting and (size + bytes_of_text > limit or is_gap_between(missing, waiting[-1], file)):
            yield from _group(waiting)
            waiting, size = [], 0
        waiting.append(file)
        size += bytes_of_text
    yield from _group(waiting)


def _group(files: Sequence[StoredFile]) -> Iterator[Group]:
    if len(files) > 1 or (files and files[0].name.kind == "part"):
        yield Group(files)


def text_bytes(file: StoredFile) -> int:
    """About how much text a file holds, before it was compressed."""
    with opened(file) as parquet:
        metadata = parquet.metadata
        return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def compact(root: Path, group: Group, *, step: Step = lambda _: None) -> int:
    """Make one segment of a group; how many rows it has.

    Raises `ConfigError` when a file is damaged (then all stays as it was), `FileNotFoundError` when one has gone.
    """
    table = _read(group.files, step)
    order = tables.order_of(table, ("key", "position", "seq", "n"))
    segment = group.segment
    out = SortedFile(segment.path, table.schema, step=step, about=told(times_twice(table)))
    try:
        for offset in range(0, table.num_rows, ROW_GROUP):  # not all at once: it would be in memory twice
            out.add(table.take(order.slice(offset, ROW_GROUP)))
        _require_settled(root, group)
        out.publish()
    except BaseException:
        out.discard()
        raise
    delete(group.files, step=step)
    return table.num_rows


def _read(files: Sequence[StoredFile], step: Step) -> pa.Table:
    found: list[pa.Table] = []
    for file in files:
        step(f"read {file.path.name}")
        with opened(file) as parquet:
            found.append(parquet.read(use_threads=False))
    schema = common_schema([table.schema for table in found])
    return pa.concat_tables([table.select(schema.names).cast(schema) for table in found]).combine_chunks()


def _require_settled(root: Path, group: Group) -> None:
    """A restart from an older copy of the recovery folder may take commits back even now."""
    last = group.files[-1]
    progress = read_progress(root / last.path.parents[2].name, last.name.partition)
    if progress is None or progress.durable < last.name.last:
        raise FileNotFoundError(last.path)


def clean(root: Path, name: str, *, step: Step = lambda _: None) -> int:
    """Delete what a work that was cut off has left of files that count no more; how many those were."""
    return clear(root, contents(root, name), step=step)


def clear(root: Path, held: Contents, *, step: Step) -> int:
    """Delete the leftovers of a chapter; how many those were. Nobody misses them: the chapter tells that they went."""
    files = leftovers(held, listed(held.folder))
    chapter = held.chapter._replace(gone=_gone(held.chapter, files))
    if chapter.gone != held.chapter.gone:
        step("tell what goes")
        write_chapter(root, chapter)
    delete(files, step=step)
    return len(files)


def _gone(chapter: Chapter, files: Sequence[StoredFile]) -> dict[str, dict[str, int]]:
    """The last file of each partition and collection whose changes are from before the chapter's beginning."""
    gone = {partition: dict(last) for partition, last in chapter.gone.items()}
    for file in files:
        if not file.is_image and file.name.numbers is not None and last_of_hour(file.hour) <= chapter.begin:
            of_partition = gone.setdefault(str(file.name.partition), {})
            of_partition[file.collection] = max(of_partition.get(file.collection, 0), file.name.numbers[1])
    return gone


def leftovers(held: Contents, files: Sequence[StoredFile]) -> list[StoredFile]:
    """Of all files of a chapter, those that count no more: what a segment holds too, other images, and hours that the
    image has taken in. While there is no image yet, one is being written.

    Only what is among these files tells that one counts no more: the job may have written some since `held` was found.
    """
    begin, kept = held.chapter.begin, set(counting(files, held.chapter.begin))

    def is_left(file: StoredFile) -> bool:
        if file.is_image:
            return file not in kept and begin != ""
        return (file not in kept and not file.name.lost) or (begin != "" and last_of_hour(file.hour) <= begin)

    return [file for file in files if is_left(file)]


def clean_hidden(root: Path, name: str) -> None:
    """Delete what a crash has left of files that were being made. Nobody else may be making any."""
    kinds = ("segment", "image") if contents(root, name).chapter.begin else ("segment",)
    for kind in kinds:
        for path in (root / name).glob(f"collection=*/hour=*/.{kind}-*"):
            path.unlink(missing_ok=True)


def delete(files: Sequence[StoredFile], *, step: Step) -> None:
    """Files whose rows are elsewhere by now, and their folders once they are empty."""
    for file in files:
        step(f"delete {file.path.name}")
        file.path.unlink(missing_ok=True)
    for folder in {file.path.parent for file in files}:
        with suppress(OSError):  # there is still something in it
            folder.rmdir()
