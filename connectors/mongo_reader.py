"""The thread that reads one partition ahead of the worker, so that the worker never waits for the server."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator
from contextlib import closing, suppress

import structlog

from connectors.backoff import pause_s
from connectors.errors import DBWatchError, Stopped, TransientError
from connectors.mongo_client import Client, connect
from connectors.mongo_events import position_ms
from connectors.mongo_snapshot import read_snapshot
from connectors.mongo_state import Item, Plan, SourceProgress, SourceState
from connectors.mongo_tail import read_tail

log = structlog.get_logger()

_QUEUED_ITEMS = 4
_PROGRESS_LOG_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0


class Reader:
    """Reads from a state on, by a few items ahead at most, and waits out the server's absences.

    An error that waiting does not mend is the last item. `take` never waits; the other methods are called once.
    """

    def __init__(self, uri: str, plan: Plan, state: SourceState) -> None:
        self._uri = uri
        self._plan = plan
        self._state = state
        phase = "tail" if state.token else "snapshot"
        self._progress = SourceProgress(plan.name, phase, "", 0, 0, state.position, position_ms(state.position))
        self._items: queue.Queue[Item] = queue.Queue(maxsize=_QUEUED_ITEMS)
        self._stop = threading.Event()
        self._client: Client | None = None
        self._retries = 0
        self._read_changes = 0
        self._taken_changes = 0
        self._interrupted_at_s: float | None = None
        self._progress_log = _ProgressLog()
        self._thread = threading.Thread(target=self._run, name=f"dbwatch {plan.name}", daemon=True)

    @property
    def progress(self) -> SourceProgress:
        """Where the reading stands."""
        return self._progress

    def start(self) -> None:
        self._thread.start()

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def ahead(self) -> int:
        """How many changes were read and not taken yet."""
        return self._read_changes - self._taken_changes

    def take(self) -> Item | None:
        """The next item, None while there is none."""
        try:
            item = self._items.get_nowait()
        except queue.Empty:
            return None
        self._taken_changes += len(item.changes)
        return item

    def close(self) -> None:
        """End the thread and its connections; what it waits for is cut off."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * self._plan.await_ms / 1000)
        if self._thread.is_alive() and self._client:
            self._client.close()
            self._thread.join(timeout=1)

    def _run(self) -> None:
        try:
            self._client = connect(self._uri)
            with self._client:
                self._read_on(self._client)
        except Stopped:
            pass
        except DBWatchError as exc:
            self._put_last(exc)
        except Exception as exc:  # a mistake of ours must end the job too, not leave it waiting
            log.exception("source.failed", partition=self._plan.name)
            self._put_last(DBWatchError(f"{self._plan.name}: {type(exc).__name__}: {exc}"))

    def _read_on(self, client: Client) -> None:
        attempt = 0
        while True:
            try:
                with closing(self._read(client)) as items:
                    for item in items:
                        self._put(item)
                        attempt = 0
                        if item.error:
                            return
            except TransientError as exc:
                attempt += 1
                self._wait(exc, attempt)

    def _read(self, client: Client) -> Generator[Item]:
        yield from read_snapshot(client, self._plan, self._state)
        yield from read_tail(client, self._plan, self._state)

    def _put(self, item: Item) -> None:
        """Waits while the flow is behind. Raises `Stopped`."""
        if self._interrupted_at_s is not None:
            away_s = round(time.monotonic() - self._interrupted_at_s, 1)
            log.info("source.goes_on", partition=self._plan.name, after_s=away_s)
            self._interrupted_at_s = None
        item = item._replace(progress=item.progress._replace(retries=self._retries))
        self._read_changes += len(item.changes)
        while not self._stop.is_set():
            try:
                self._items.put(item, timeout=0.1)
            except queue.Full:
                continue
            self._state, self._progress = item.state, item.progress
            self._progress_log.tell(item.progress)
            return
        raise Stopped

    def _put_last(self, error: DBWatchError) -> None:
        with suppress(Stopped):
            self._put(Item((), self._state, self._progress, error))

    def _wait(self, exc: TransientError, attempt: int) -> None:
        """Sleep before another attempt, the longer the more there were. Raises `Stopped`."""
        if self._stop.is_set():
            raise Stopped
        self._retries += 1
        if self._interrupted_at_s is None:
            self._interrupted_at_s = time.monotonic()
            log.warning("source.interrupted", partition=self._plan.name, reason=str(exc), effect="tries until it works")
        with suppress(queue.Full):
            progress = self._progress._replace(retries=self._retries, away=str(exc))
            self._items.put_nowait(Item((), self._state, progress))
        if self._stop.wait(pause_s(attempt, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)):
            raise Stopped


class _ProgressLog:
    """A line now and then while a snapshot is read."""

    def __init__(self) -> None:
        self._told_at_s = time.monotonic()
        self._told: SourceProgress | None = None

    def tell(self, progress: SourceProgress) -> None:
        elapsed_s = time.monotonic() - self._told_at_s
        if progress.phase != "snapshot" or elapsed_s < _PROGRESS_LOG_S:
            return
        before = self._told.read if self._told and self._told.collection == progress.collection else 0
        log.info(
            "snapshot.progress",
            partition=progress.partition,
            collection=progress.collection,
            read=progress.read,
            of_about=progress.expected,
            rows_per_s=round(max(progress.read - before, 0) / elapsed_s),
        )
        self._told_at_s, self._told = time.monotonic(), progress
