"""The image of a chapter that begins in the middle of a job: the collections as they are at one time. An edge: it
talks to MongoDB and writes files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import structlog
from bson.timestamp import Timestamp

from connectors.archive.chapter import read_chapter, write_chapter
from connectors.archive.files import ArchiveFile
from connectors.archive.layout import IMAGE_HOUR, FileName, image_number
from connectors.archive.patience import GaveUp, OnHeld, Patience
from connectors.archive.sorting import ExternalSort
from connectors.backoff import pause_s
from connectors.changes import Change, Shape
from connectors.errors import DBWatchError, SnapshotLost, Stopped, TransientError
from connectors.mongo_client import Client, connect
from connectors.mongo_events import position_text, position_time
from connectors.mongo_snapshot import read_snapshot
from connectors.mongo_state import Item, Plan, SourceState

log = structlog.get_logger()

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0


class ImageReading:
    """A thread that reads the collections and, once all is written, lets the chapter begin there.

    What keeps it from doing so is told and tried again: at a later time where the server no longer keeps the one that
    it had begun with. Cut off, it is begun anew. Rows that cannot be decoded are left out; a change that mends one is
    archived as any other.
    """

    def __init__(
        self,
        root: Path,
        chapter: str,
        *,
        uri: str,
        shapes: Mapping[str, Shape],
        now: Callable[[], str],
        on_held: OnHeld = lambda _: None,
    ) -> None:
        """`now` gives a position later than all that was emitted, at which the collections can be read; it may take
        its time, and raise our errors.
        """
        self._root = root
        self._folder = root / chapter
        self._uri = uri
        self._shapes = dict(shapes)
        self._now = now
        self._patience = Patience(f"archive folder {root}", on_held=on_held)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dbwatch archive image", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End, whether it is done or not."""
        self._stop.set()
        self._patience.give_up()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def wait(self, timeout_s: float) -> bool:
        """Whether it is over within the time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        attempt = 0
        while True:
            try:
                self._read()
            except (Stopped, GaveUp):
                return
            except (DBWatchError, OSError) as exc:
                attempt += 1
                log.warning("archive.image_again", chapter=self._folder.name, reason=str(exc))
                longest_s = _FIRST_PAUSE_S if isinstance(exc, SnapshotLost) else _LONGEST_PAUSE_S
                if self._stop.wait(pause_s(attempt, first_s=_FIRST_PAUSE_S, longest_s=longest_s)):
                    return
                continue
            except Exception:  # a mistake of ours: the chapter does not begin, all else goes on
                log.exception("archive.failed", chapter=self._folder.name)
                return
            return

    def _read(self) -> None:
        began_s = time.monotonic()
        chapter = read_chapter(self._folder)
        if chapter.begin:  # its entry was replaced before the attempt failed, or by a run that this one took over from
            return
        self._clear()
        position = self._now()
        begin = _after(position)
        files: list[ArchiveFile] = []
        rows = 0
        with connect(self._uri) as client:
            for partition in range(chapter.partitions):
                plan = Plan(
                    database=chapter.database,
                    shapes=self._shapes,
                    collections=tuple(self._shapes),
                    partition=partition,
                    partitions=chapter.partitions,
                )
                written = _Writing(self._folder, partition, image_number(begin), self._patience)
                for item in self._items(client, plan, SourceState.at_start(position, chapter.partitions)):
                    written.add(item)
                files += written.files
                rows += written.rows
        for file in files:
            file.publish()
            file.sync_folders()
        write_chapter(self._root, read_chapter(self._folder)._replace(begin=begin, image=_numbers(files)))
        took_s = round(time.monotonic() - began_s, 1)
        log.info("archive.image_read", chapter=chapter.name, position=position, rows=rows, took_s=took_s)

    def _items(self, client: Client, plan: Plan, state: SourceState) -> Iterator[Item]:
        """One partition's rows, whatever absences of the server it takes."""
        attempt = 0
        while True:
            try:
                for item in read_snapshot(client, plan, state):
                    state, attempt = item.state, 0
                    yield item
                    if self._stop.is_set():
                        raise Stopped(f"{plan.name}: the reading of the image was ended")
            except TransientError as exc:
                attempt += 1
                log.warning("archive.image_again", chapter=self._folder.name, reason=str(exc))
                if self._stop.wait(pause_s(attempt, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)):
                    raise Stopped(str(exc)) from exc
                continue
            return

    def _clear(self) -> None:
        """Throw away what another attempt has left."""
        for pattern in ("image-*", ".image-*"):
            for file in self._folder.glob(f"collection=*/hour={IMAGE_HOUR}/{pattern}"):
                file.unlink(missing_ok=True)


def _numbers(files: Sequence[ArchiveFile]) -> dict[str, list[int]]:
    """The numbers of an image's files, by collection."""
    found: dict[str, list[int]] = {}
    for file in files:
        found.setdefault(file.collection, []).append(file.name.partition)
    return found


class _Writing:
    """The image of one partition, a file for each collection."""

    def __init__(self, chapter: Path, partition: int, number: int, patience: Patience) -> None:
        self._chapter = chapter
        self._name = FileName("image", partition, number, number)
        self._patience = patience
        self._collection = ""
        self._sorted: ExternalSort | None = None
        self.files: list[ArchiveFile] = []
        self.rows = 0

    def add(self, item: Item) -> None:
        """Rows of one collection; the last item of each has none, and counts it as done."""
        for change in item.changes:
            if isinstance(change, Change):
                if self._sorted is None:
                    self._collection = change.collection
                    self._sorted = ExternalSort(self._file)
                self._sorted.add(change, self.rows)
                self.rows += 1
        if not item.state.collection and self._sorted is not None:
            file = self._sorted.finish()
            self.files += [file] if file is not None else []
            self._sorted = None

    def _file(self, schema: pa.Schema) -> ArchiveFile:
        return ArchiveFile(
            self._chapter,
            collection=self._collection,
            hour=IMAGE_HOUR,
            name=self._name,
            schema=schema,
            patience=self._patience,
        )


def _after(position: str) -> str:
    """The next position: what happened at the image's own is in it."""
    time = position_time(position)
    return position_text(Timestamp(time.time, time.inc + 1))
