"""Doing one thing in a thread while its caller makes the next one ready. Imports no driver."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Work = Callable[[], None]


class OneAhead:
    """A thread that does one thing at a time, in order. Its methods are for one caller.

    What a work raises is raised by the next `wait`, which also comes before the next work begins.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._works: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._done = threading.Semaphore(0)
        self._is_busy = False
        self._error: BaseException | None = None

    def start(self, work: Work) -> None:
        """Begin it once the last one is done; does not wait for its end."""
        self.wait()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._is_busy = True
        self._works.put(work)

    def wait(self) -> None:
        """Until the last work is done; raises what it raised."""
        if self._is_busy:
            self._done.acquire()
            self._is_busy = False
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def end(self) -> None:
        """Wait, and let the thread end."""
        try:
            self.wait()
        finally:
            if self._thread is not None:
                self._works.put(None)
                self._thread.join()
                self._thread = None

    def _run(self) -> None:
        while (work := self._works.get()) is not None:
            try:
                work()
            except BaseException as exc:
                self._error = exc
            finally:
                self._done.release()
