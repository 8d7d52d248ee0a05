"""What a restart takes back: commits that the job's recovery snapshot does not know. An edge: it changes files."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from connectors.archive.chapter import Reached, read_progress, sync_folder, write_progress
from connectors.archive.layout import FileName
from connectors.archive.schema import COMPRESSION, ROW_GROUP
from connectors.errors import ConfigError

log = structlog.get_logger()


def take_back(chapter: Path, partition: int, seq: int, reached: Reached | None = None) -> None:
    """Leave of a partition the commits up to `seq`, whole, and nothing half written. They are emitted again.

    `reached` is how far the partition has come with them, None is before all rows were read: nobody takes the chapter
    for complete beyond that, also when the job ends before it has emitted anything.

    Cut off, it can be called again. Files of an image stay, as do those of other partitions. Raises `ConfigError` when
    a file cannot be read, `OSError`.
    """
    progress = read_progress(chapter, partition)
    if progress is not None and progress.seq > seq:  # and nobody may touch what is going to change
        position, image = reached or Reached(progress.position, image=False)
        durable = min(progress.durable, seq)
        write_progress(chapter, progress._replace(seq=seq, durable=durable, position=position, image=image))
    hidden = tuple(f".{kind}-{partition:03d}-" for kind in ("part", "segment"))
    changed: set[Path] = set()
    for file in chapter.glob("collection=*/hour=*/*"):
        if file.name.startswith(hidden):
            file.unlink(missing_ok=True)
        elif (name := FileName.parse(file.name)) and name.partition == partition and name.kind != "image":
            if name.last <= seq:
                continue
            if name.first <= seq:
                _put_shorter(file, name, seq)
            file.unlink(missing_ok=True)
        else:
            continue
        changed.add(file.parent)
    for folder in changed:
        sync_folder(folder)
    if changed:
        log.info("archive.taken_back", chapter=chapter.name, partition=partition, after=seq)


def _put_shorter(file: Path, name: FileName, seq: int) -> None:
    """Beside a file, one with its commits up to `seq`: a recovery folder from an older copy is in use."""
    try:
        table = pq.read_table(file, partitioning=None)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"archive file {file}: cannot be read ({exc}); restore it from a copy") from exc
    left = table.filter(pc.field("seq") <= seq)
    if left.num_rows:
        shorter = str(name._replace(last=seq))
        hidden = file.with_name(f".{shorter}.{uuid.uuid4().hex}")
        with hidden.open("wb") as out:
            pq.write_table(left, out, compression=COMPRESSION, row_group_size=ROW_GROUP)
            out.flush()
            os.fsync(out.fileno())
        hidden.replace(file.with_name(shorter))
        sync_folder(file.parent)
