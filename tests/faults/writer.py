"""Makes the changes of a history in MongoDB, each exactly once, through failovers too."""

from __future__ import annotations

import threading
import time

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tests.acceptance.oracle import Document
from tests.faults.history import COLLECTIONS, Batch, History, Op
from tests.faults.truth import Truth, position_of

_GIVE_UP_S = 60.0
_PAUSE_S = 0.05
_REFUSED = (DuplicateKeyError, BulkWriteError)


class Writer:
    """Writes with majority acknowledgement. Each write depends on the version before it, so that one whose answer was
    lost is tried again until the row, as a majority has it, tells that it was made.
    """

    def __init__(self, uri: str, database: str) -> None:
        self.client: MongoClient[Document] = MongoClient(
            uri, serverSelectionTimeoutMS=5_000, socketTimeoutMS=5_000, connectTimeoutMS=2_000
        )
        self.db = self.client.get_database(
            database, read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority", wtimeout=5_000)
        )
        self._session = self.client.start_session(causal_consistency=True)

    def close(self) -> None:
        self._session.end_session()
        self.client.close()

    def make_collections(self, *names: str, images: bool) -> None:
        for name in names or COLLECTIONS:
            self.db.create_collection(name, changeStreamPreAndPostImages={"enabled": images})

    @property
    def position(self) -> str:
        """The cluster time that everything written by now is not after."""
        return position_of(self._session.operation_time)

    def remove(self, name: str | None, *, renamed: bool) -> tuple[str, str]:
        """Drop a collection or, without a name, the database; or rename the collection. Returns as `write` does."""
        since = self.position
        if name is None:
            self.client.drop_database(self.db.name, session=self._session)
        elif renamed:
            self.db[name].rename(f"{name}_of_{since}", session=self._session)
        else:
            self.db.drop_collection(name, session=self._session)
        return since, self.position

    def write(self, batch: Batch) -> tuple[str, str]:
        """Make the changes; returns the cluster times after and up to which they were made."""
        since = self.position
        deadline = time.monotonic() + _GIVE_UP_S
        while not self._tried(batch):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the workload could not write within {_GIVE_UP_S:.0f} s: {batch[-1]}")
            time.sleep(_PAUSE_S)
        return since, self.position

    def _tried(self, batch: Batch) -> bool:
        """Whether the changes are made, by this attempt or one before."""
        try:
            if self._attempt(batch):
                return True
        except PyMongoError:
            pass
        try:
            return self._is_made(batch[-1])
        except PyMongoError:
            return False

    def _attempt(self, batch: Batch) -> bool:
        if len(batch) == 1:
            return self._one(batch[0], self._session)

        def several(session: ClientSession) -> None:
            for op in batch:
                if not self._one(op, session):
                    raise _StaleError(f"{op.row_key} is not as it was left")

        self._session.with_transaction(
            several, read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority")
        )
        return True

    def _one(self, op: Op, session: ClientSession) -> bool:
        collection = self.db[op.collection]
        if op.before is None:
            try:
                collection.insert_one(dict(op.after or {}), session=session)
            except _REFUSED:
                if session.in_transaction:
                    raise
                return False
            return True
        old = {"_id": op.key, "stamp": op.before["stamp"]}
        if op.after is None:
            return collection.delete_one(old, session=session).deleted_count == 1
        if op.replaces:
            return collection.replace_one(old, op.after, session=session).modified_count == 1
        fields = {name: value for name, value in op.after.items() if op.before.get(name, old) != value}
        return collection.update_one(old, {"$set": fields}, session=session).modified_count == 1

    def _is_made(self, op: Op) -> bool:
        found = self.db[op.collection].find_one({"_id": op.key}, {"stamp": 1}, session=self._session)
        return (found and found["stamp"]) == (op.after and op.after["stamp"])


class _StaleError(PyMongoError):
    """A row of a transaction is not in the version that was expected."""


class Workload:
    """Makes the changes of a history in a thread of its own, at a pace."""

    def __init__(self, writer: Writer, history: History, truth: Truth, *, pause_s: float) -> None:
        self.writer = writer
        self.history = history
        self.truth = truth
        self.done = 0
        self.error: Exception | None = None
        self._pause_s = pause_s
        self._free = threading.Event()
        self._free.set()
        self._idle = threading.Lock()
        self._thread: threading.Thread | None = None

    def fill(self, count: int) -> None:
        """So many batches, at once, here."""
        for _ in range(count):
            self.step()

    def step(self) -> None:
        self.make(self.history.next())

    def make(self, batch: Batch) -> None:
        """Make changes of the caller's choice; the truth knows of them."""
        began_ms = _now_ms()
        since, until = self.writer.write(batch)
        self.truth.add(batch, since, until, began_ms=began_ms, ended_ms=_now_ms())

    def remove(self, name: str | None, *, renamed: bool, images: bool) -> None:
        """Remove a collection, or all of them, with their rows, and make them anew without any. Call it when paused."""
        names = COLLECTIONS if name is None else (name,)
        began_ms = _now_ms()
        since, until = self.writer.remove(name, renamed=renamed)
        gone = tuple(op for each in names for op in self.history.remove(each))
        self.truth.add(gone, since, until, began_ms=began_ms, ended_ms=_now_ms())
        self.writer.make_collections(*names, images=images)

    def start(self, count: int) -> None:
        self._thread = threading.Thread(target=self._run, args=(count,), name="workload", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def pause(self) -> None:
        """Returns when no write is under way; none begins before `resume`."""
        self._free.clear()
        with self._idle:
            pass

    def resume(self) -> None:
        self._free.set()

    def _run(self, count: int) -> None:
        try:
            for _ in range(count):
                self._free.wait()
                with self._idle:
                    if self._free.is_set():
                        self.step()
                        self.done += 1
                time.sleep(self._pause_s)
        except Exception as exc:
            self.error = exc


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
