"""One Parquet file of the archive while it is written: hidden until it is whole and on the disk. An edge."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.archive.chapter import chapter_lost
from connectors.archive.layout import CHAPTER, FileName, collection_folder, hour_folder
from connectors.archive.patience import Patience
from connectors.archive.schema import writer_options
from connectors.errors import DBWatchError, Fenced


class NotDurable(DBWatchError):
    """The system could not tell that what was written is on the disk; what a second try says of it means nothing."""


class ArchiveFile:
    """Rows are added in any number of batches. `finish` makes them durable, `publish` gives the file its name. Whatever
    the disk refuses is tried until the patience is over: nothing of what was added gets lost meanwhile.
    """

    def __init__(
        self, chapter: Path, *, collection: str, hour: str, name: FileName, schema: pa.Schema, patience: Patience
    ) -> None:
        self._chapter = chapter
        self._folder = chapter / collection_folder(collection) / hour_folder(hour)
        self.collection = collection
        self.name = name
        self._patience = patience
        self.hidden = self._folder / f".{name}.{uuid.uuid4().hex}"
        patience.until_done(self._make)
        self._sink = _PatientSink(self._opened, patience)
        self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, "w"), schema, **writer_options(schema))

    @property
    def published(self) -> Path:
        """Where it is in the end."""
        return self._folder / str(self.name)

    def add(self, batch: pa.RecordBatch) -> None:
        """One row group."""
        self._writer.write_batch(batch)

    def rest(self) -> None:
        """Take no handle of the system's until more is added: of these a process has only so many."""
        self._sink.rest()

    def finish(self) -> None:
        """Write what is left, and wait until all is on the disk; again, it does nothing. Raises `NotDurable`."""
        if self._sink.closed:
            return
        self._writer.close()
        self._fsync(self._sink.handle)
        self._sink.close()

    def publish(self) -> None:
        """Give the finished file its name; durable once its folders are synced, see `sync_folders`. Raises `Fenced`
        when another run has taken it away, `ArchiveLost` when the chapter is gone.
        """
        self._patience.until_done(self._publish)

    def discard(self) -> None:
        """Whatever has become of it: leave nothing hidden behind."""
        with suppress(OSError):
            self._sink.close()
        with suppress(OSError):
            self.hidden.unlink()

    def sync_folders(self) -> None:
        """The names are on the disk. Raises `NotDurable`, `ArchiveLost`."""
        for folder in (self._folder, self._folder.parent, self._chapter):
            handle = self._patience.until_done(partial(self._handle_of, folder))
            try:
                self._fsync(handle)
            finally:
                os.close(handle)

    def _publish(self) -> None:
        try:
            self.hidden.replace(self.published)
        except FileNotFoundError as exc:
            raise self._gone(exc) from exc

    def _gone(self, exc: FileNotFoundError) -> Exception:
        """What it means that the hidden file is not there."""
        if not self._chapter.parent.exists():  # perhaps it comes back
            return exc
        if not (self._chapter / CHAPTER).exists():
            return chapter_lost(self._chapter)
        return Fenced(
            f"archive file {self.published}: another run of the job has begun, and took back what was not whole; "
            "this one ends"
        )

    def _fsync(self, handle: int) -> None:
        try:
            os.fsync(handle)
        except OSError as exc:
            raise NotDurable(
                f"archive file {self.published}: the disk did not take it: {exc.strerror}; mend it, and start the job "
                "again: nothing is lost, it goes on from its last snapshot"
            ) from exc

    def _handle_of(self, folder: Path) -> int:
        try:
            return os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as exc:
            raise self._gone(exc) from exc

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666))

    def _opened(self) -> int:
        try:
            return os.open(self.hidden, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError as exc:
            raise self._gone(exc) from exc


class _PatientSink(io.RawIOBase):
    """What Parquet's writer writes to: it never sees a disk that is full, only one that is slow."""

    def __init__(self, opened: Callable[[], int], patience: Patience) -> None:
        """`opened` gives a handle that writes at the file's end."""
        self._opened = opened
        self._handle: int | None = None
        self._patience = patience
        self._written = 0

    @property
    def handle(self) -> int:
        """The file's, opened unless it is; waits until the system has one."""
        if self._handle is None:
            self._handle = self._patience.until_done(self._opened)
        return self._handle

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        left = memoryview(data)  # type: ignore[arg-type]
        size = left.nbytes
        handle = self.handle
        while left.nbytes:
            left = left[self._patience.until_done(lambda left=left: os.write(handle, left)) :]
        self._written += size
        return size

    def tell(self) -> int:
        return self._written

    def rest(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def close(self) -> None:
        self.rest()
        super().close()
