"""Archives that a test writes, as a job would, without a server."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.archive.chapter import Chapter, Progress, write_chapter, write_progress
from connectors.archive.layout import (
    IMAGE_HOUR,
    FileName,
    chapter_name,
    collection_folder,
    hour_folder,
    hour_of,
    image_number,
)
from connectors.archive.schema import batch_of, writer_options
from connectors.changes import Change, Op

BASE_S = 1_800_000_000  # 2027-01-15T08:00:00Z, the beginning of an hour
HOUR_S = 3600


def at(seconds: int, increment: int = 1) -> str:
    """The position of a time, in seconds after `BASE_S`."""
    return f"{BASE_S + seconds:08x}{increment:08x}"


def change(
    key: str,
    position: str,
    *,
    op: Op = "u",
    collection: str = "comments",
    ts_ms: int | None = None,
    value: str | None = None,
) -> Change:
    """A change whose row tells its position, and is joined by `ref`, whose value is `value`."""
    time = int(position[:8], 16) * 1000 if ts_ms is None else ts_ms
    ref = None if value is None else f'"{value}"'
    after = None if op == "d" else '{"at":"' + position + '","ref":' + (ref or "null") + "}"
    refs = {"ref": None if op == "d" else ref}
    return Change(collection, key, op, position, time, None, after, ("at",) if op == "u" else None, refs)


def chapter_of(*, begin: str, partitions: int = 1, number: int = 1, created_ms: int = BASE_S * 1000) -> Chapter:
    name = chapter_name("job", 1, number)
    return Chapter(name, "job", 1, number, "films", partitions, begin, created_ms, "1", [], {})


class Archive:
    """One chapter of an archive; `commits` counts what each partition has committed."""

    def __init__(self, root: Path, *, begin: str = at(0), partitions: int = 1, number: int = 1) -> None:
        self.root = root
        self.chapter = chapter_of(begin=begin, partitions=partitions, number=number)
        self.commits = dict.fromkeys(range(partitions), 0)
        self.numbers: dict[int, dict[str, int]] = {partition: {} for partition in range(partitions)}
        write_chapter(root, self.chapter)

    @property
    def folder(self) -> Path:
        return self.root / self.chapter.name

    def commit(self, changes: Sequence[Change], *, partition: int = 0, group: int = 4) -> None:
        """Write what a partition emitted in an epoch; `group` rows are a row group."""
        self.commits[partition] += 1
        seq = self.commits[partition]
        split: dict[tuple[str, str], list[tuple[int, Change]]] = defaultdict(list)
        for n, each in enumerate(changes):
            split[each.collection, hour_of(each.position)].append((n, each))
        for (collection, hour), numbered in split.items():
            batch = batch_of([each for _, each in numbered], seq=seq, numbers=[n for n, _ in numbered])
            number = self.numbers[partition][collection] = self.numbers[partition].get(collection, 0) + 1
            self._write(batch, collection, hour, FileName("part", partition, seq, seq, (number, number)), group=group)

    def image(self, changes: Sequence[Change], *, share: int = 0) -> None:
        """Write rows of one collection as one file of the image that the chapter begins with."""
        ordered = sorted(changes, key=lambda each: each.key)
        batch = batch_of(ordered, seq=0, numbers=range(len(ordered)))
        number = image_number(self.chapter.begin)
        self._write(batch, ordered[0].collection, IMAGE_HOUR, FileName("image", share, number, number), group=4)

    def progress(self, position: str, *, durable: int | None = None, at_ms: int = BASE_S * 1000) -> None:
        """Every partition has come as far as this; what it has committed is durable, or up to `durable`."""
        for partition, seq in self.commits.items():
            keeps = seq if durable is None else durable
            files = dict(self.numbers[partition])
            told = Progress(partition, seq, keeps, position, image=True, at_ms=at_ms, files=files)
            write_progress(self.folder, told)

    def names(self) -> list[str]:
        """The Parquet files there are, from the chapter's folder on; also while folders are removed meanwhile."""
        found = (Path(folder, name) for folder, _, names in os.walk(self.folder) for name in names)
        return sorted(str(path.relative_to(self.folder)) for path in found if path.suffix == ".parquet")

    def _write(self, batch: pa.RecordBatch, collection: str, hour: str, name: FileName, *, group: int) -> None:
        folder = self.folder / collection_folder(collection) / hour_folder(hour)
        folder.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(folder / str(name), batch.schema, **writer_options(batch.schema)) as writer:
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=group)
