"""What a restart takes back: commits that the job's recovery snapshot does not know. An edge: it changes files."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from connectors.archive.chapter import Progress, Reached, begin_run, read_progress
from connectors.archive.layout import FileName, StoredFile
from connectors.archive.listing import listed
from connectors.archive.refusals import refused
from connectors.archive.schema import ROW_GROUP, writer_options
from connectors.durable import sync_folder
from connectors.errors import ConfigError

log = structlog.get_logger()

_RUNS = 100
"""So many runs are remembered: one that is older than these is not asleep, but gone."""


def take_back(chapter: Path, partition: int, seq: int, reached: Reached | None = None) -> Progress:
    """Begin a run: leave of a partition the commits up to `seq`, whole, and nothing half written. They are emitted
    again. Returns what the run begins with, which says whose they are before anything is deleted.

    `reached` is how far the partition has come with them, None is before all rows were read: nobody takes the chapter
    for complete beyond that, also when the job ends before it has emitted anything.

    Cut off, it can be called again. Files of an image stay, as do those of other partitions, and those of a run that
    has begun later. Raises `ConfigError` when a file cannot be read, `Fenced` when another run begins, too, `OSError`.
    """
    files = [file for file in listed(chapter) if file.name.partition == partition and not file.is_image]
    begun = _begun(read_progress(chapter, partition), files, partition, seq, reached)
    begin_run(chapter, begun)
    changed = {path.parent for path in _hidden(chapter, partition, begun.run)}
    for file in files:
        if file.name.last <= seq or file.name.run >= begun.run:
            continue
        if file.name.first <= seq:
            if file.name.lost:
                continue
            _put_shorter(file.path, file.name, seq)
        file.path.unlink(missing_ok=True)
        changed.add(file.path.parent)
    for folder in changed:
        sync_folder(folder)
    if changed:
        log.info("archive.taken_back", chapter=chapter.name, partition=partition, after=seq)
    return begun


def _begun(
    before: Progress | None, files: Sequence[StoredFile], partition: int, seq: int, reached: Reached | None
) -> Progress:
    if before is None:
        position, image = reached or Reached("", image=False)
        before = Progress(partition, seq, 0, position, image=image, at_ms=time.time_ns() // 1_000_000)
    written = [file for file in files if before.has_written(file.name)]
    numbers = _numbers(before, written, seq)
    if before.seq > seq:
        position, image = reached or Reached(before.position, image=False)
        durable = min(before.durable, seq)
        before = before._replace(seq=seq, durable=durable, position=position, image=image)
    run = before.run + 1
    runs = [tuple(each) for each in before.runs if each[0] <= seq]
    return before._replace(run=run, runs=[*runs[1 - _RUNS :], (seq + 1, run)], files=numbers)


def _numbers(before: Progress, files: Iterable[StoredFile], seq: int) -> dict[str, int]:
    """The number of the last file of each collection that stays: new ones have the next."""
    last = dict(before.files or {})
    if before.files is not None and before.seq <= seq:
        return last
    taken: dict[str, int] = {}
    kept: dict[str, int] = {}
    for collection, name in ((file.collection, file.name) for file in files):
        if name.numbers is not None and name.first > seq:
            taken[collection] = min(taken.get(collection, name.numbers[0]), name.numbers[0])
        elif name.numbers is not None:
            kept[collection] = max(kept.get(collection, 0), name.numbers[1])
    if before.files is None:  # nothing is known but what is there
        return kept
    return last | {collection: max(first - 1, kept.get(collection, 0)) for collection, first in taken.items()}


def _hidden(chapter: Path, partition: int, run: int) -> Iterator[Path]:
    """Deletes what earlier runs have left half written."""
    for kind in ("part", "segment"):
        for path in chapter.glob(f"collection=*/hour=*/.{kind}-{partition:03d}-*"):
            name = FileName.parse(path.name[1:].rpartition(".")[0])
            if name is None or name.run < run:
                path.unlink(missing_ok=True)
                yield path


def _put_shorter(file: Path, name: FileName, seq: int) -> None:
    """Beside a file, one with its commits up to `seq`: a recovery folder from an older copy is in use."""
    try:
        table = pq.read_table(file, partitioning=None)
    except (OSError, ValueError) as exc:
        raise refused(file, exc) or ConfigError(
            f"archive file {file}: cannot be read ({exc}); restore it from a copy"
        ) from exc
    left = table.filter(pc.field("seq") <= seq)
    shorter = str(name._replace(last=seq))
    hidden = file.with_name(f".{shorter}.{uuid.uuid4().hex}")
    with hidden.open("wb") as out:
        pq.write_table(left, out, row_group_size=ROW_GROUP, **writer_options(left.schema))
        out.flush()
        os.fsync(out.fileno())
    hidden.replace(file.with_name(shorter))
    sync_folder(file.parent)
