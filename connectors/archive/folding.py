"""The oldest hours of a chapter are folded into its image: of each row the last change stays. An edge: it reads and
writes files.

Guarantee: whatever happens in between, the chapter begins either where it did, with all that comes after, or at the
cut. The files of the new image do not count until `chapter.json` names its position; only then the old ones go, and
what a crash leaves over goes with the next `compaction.clean`. A row of the image has its last change's own op,
position and time, but no `before`: there is nothing that this would be compared with.

All files are read once, side by side in the order of keys, a row group at a time: in memory are one or two row groups
of each file, which is why `hours_at_once` are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from connectors.archive import tables
from connectors.archive.chapter import Chapter, read_chapter, write_chapter
from connectors.archive.compaction import SEGMENT_BYTES, clear
from connectors.archive.layout import (
    IMAGE_HOUR,
    FileName,
    StoredFile,
    collection_folder,
    hour_folder,
    image_number,
    last_of_hour,
)
from connectors.archive.listing import bounds, contents, opened
from connectors.archive.sorted_files import SortedFile, Step, common_schema

HOURS_AT_ONCE = 6
_BUFFER_BYTES = 32 << 20


class Folded(NamedTuple):
    """What was folded: files, and the rows that the new image has."""

    chapter: Chapter
    files: int
    rows: int


class _Unit(NamedTuple):
    """One row group of a file, and its smallest key."""

    least: str
    file: StoredFile
    group: int


def fold(root: Path, name: str, hour: str, *, step: Step = lambda _: None) -> Folded:
    """Let a chapter begin at the end of an hour. All that is folded must be durable, and every partition past it.

    Raises `ConfigError` when a file is damaged, `FileNotFoundError` when one has gone; then all stays as it was.
    """
    held = contents(root, name)
    cut = last_of_hour(hour)
    assert "" < held.chapter.begin < cut, "an image comes before its fold"
    held.require(upper=cut)  # what is missing must not go unnoticed into the image
    held.require_image()
    # An image that was cut off at this cut may have had more files.
    clear(root, held, step=step)
    taken = [file for file in held.files if file.is_image or file.hour <= hour]
    folding = _Folding(root, held.chapter, cut, step)
    for collection in sorted({file.collection for file in taken}):
        folding.of_collection(collection, [file for file in taken if file.collection == collection])
    step("begin at the cut")
    chapter = read_chapter(root / name)._replace(begin=cut, folded=folding.folded, image=folding.image)
    write_chapter(root, chapter)
    clear(root, contents(root, name), step=step)
    return Folded(chapter, len(taken), folding.rows)


class _Folding:
    """Writes the files of one new image, by collection in `image`. `folded` is the chapter's own, with what was read
    since.
    """

    def __init__(self, root: Path, chapter: Chapter, cut: str, step: Step) -> None:
        self._folder = root / chapter.name
        self._begin = chapter.begin
        self._number = image_number(cut)
        self._step = step
        self.folded = dict(chapter.folded)
        self.image: dict[str, list[int]] = {}
        self.rows = 0

    def of_collection(self, collection: str, files: Sequence[StoredFile]) -> None:
        """Each collection that had a file gets one, perhaps with no rows: so the old ones no longer count."""
        schema, units = _units(files)
        folder = self._folder / collection_folder(collection) / hour_folder(IMAGE_HOUR)
        share = 0
        out = self._file(folder, share, schema)
        try:
            for table in self._newest(units, schema):
                out.add(table)
                self.rows += table.num_rows
                if out.text_bytes >= SEGMENT_BYTES:
                    out.publish()
                    share += 1
                    out = self._file(folder, share, schema)
            out.publish()
        except BaseException:
            out.discard()
            raise
        self.image[collection] = list(range(share + 1))

    def _file(self, folder: Path, share: int, schema: pa.Schema) -> SortedFile:
        name = FileName("image", share, self._number, self._number)
        return SortedFile(folder / str(name), schema, step=self._step)

    def _newest(self, units: Sequence[_Unit], schema: pa.Schema) -> Iterator[pa.Table]:
        """The last change of each row that is left, by key. What is read is settled up to the smallest key to come."""
        waiting = _ranked(schema.empty_table(), rank=1)
        read: list[pa.Table] = []
        for number, unit in enumerate(units):
            self._step(f"read {unit.file.path.name}")
            read.append(self._read(unit, schema))
            following = units[number + 1].least if number + 1 < len(units) else None
            if following is not None and sum(table.nbytes for table in read) < _BUFFER_BYTES:
                continue
            settled, waiting = tables.split_at(pa.concat_tables([waiting, *read]), following)
            read = []
            if waiting.nbytes > _BUFFER_BYTES:  # of one key there may be more changes than fit
                waiting = tables.newest(waiting)
            yield tables.living(tables.newest(settled)).select(schema.names)

    def _read(self, unit: _Unit, schema: pa.Schema) -> pa.Table:
        file = unit.file
        with opened(file) as parquet:
            names = [name for name in schema.names if name != "before"]
            table = parquet.read_row_group(unit.group, columns=names, use_threads=False)
        table = table.append_column("before", pa.nulls(table.num_rows, pa.string())).select(schema.names).cast(schema)
        if file.is_image:
            return _ranked(table, rank=0)
        table = tables.between(table, self._begin, last_of_hour(file.hour))
        self._note(file.name.partition, tables.last_emitted(table))
        return _ranked(table, rank=1)

    def _note(self, partition: int, last: tuple[int, int] | None) -> None:
        known = tuple(self.folded.get(str(partition), (0, -1)))
        if last is not None and last > known:
            self.folded[str(partition)] = last


def _units(files: Iterable[StoredFile]) -> tuple[pa.Schema, list[_Unit]]:
    """The columns that all have, and their row groups by smallest key."""
    schemas: list[pa.Schema] = []
    units: list[_Unit] = []
    for file in files:
        with opened(file) as parquet:
            schemas.append(parquet.schema_arrow)
            for group in range(parquet.num_row_groups):
                found = bounds(parquet.metadata, group, "key")
                units.append(_Unit(found[0] if found else "", file, group))
    return common_schema(schemas), sorted(units, key=lambda unit: unit.least)


def _ranked(table: pa.Table, *, rank: int) -> pa.Table:
    return table.append_column("rank", pa.repeat(pa.scalar(rank, pa.int8()), table.num_rows))
