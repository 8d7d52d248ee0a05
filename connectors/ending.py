"""How a job ends: on request, or because of an error that is reported after the last snapshot was taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn

from connectors.errors import DBWatchError


class Ending:
    """Shared by everything in one process that runs or waits. Thread-safe.

    An error in a Bytewax step ends as a panic without a snapshot; so whoever meets one calls `fail`, sources see
    `requested` and end, the engine takes its snapshot, and the entry point reports `error` and exits with its status.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._asked = False
        self._lock = threading.Lock()
        self._error: DBWatchError | None = None
        self._leave: Callable[[], None] | None = None
        self._leaving = threading.Lock()
        self._abandoned = False

    @property
    def requested(self) -> bool:
        return self._requested.is_set()

    @property
    def error(self) -> DBWatchError | None:
        """The first error, None when the end was asked for or has not come."""
        return self._error

    @property
    def abandoned(self) -> bool:
        """Whether the end comes at once, without a last snapshot."""
        return self._abandoned

    @property
    def asked(self) -> bool:
        """Whether somebody asked for the end, be there an error or not."""
        return self._asked

    def request(self) -> None:
        self._asked = True
        self._requested.set()

    def fail(self, error: DBWatchError, *, at_once: bool = False) -> None:
        """Keep the first error and ask for the end; `at_once` when there can be no last snapshot."""
        with self._lock:
            self._abandoned = self._abandoned or at_once
            self._error = self._error or error
        self._requested.set()

    def on_abandon(self, leave: Callable[[], None]) -> None:
        """What ends the process, when there is one of our own to end; it does not return."""
        self._leave = leave

    def abandon(self, error: DBWatchError) -> NoReturn:
        """End at once and without a last snapshot, as one must who cannot do what the snapshot would say was done.

        Raises the error where nothing was given that ends the process. Whoever comes while another thread is leaving
        waits for the end.
        """
        self.fail(error, at_once=True)
        self.leave()
        raise error

    def leave(self) -> None:
        """End the process as it is, where there is one of our own to end: it then does not return."""
        if self._leave is not None:
            with self._leaving:
                self._leave()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the end is requested, at most `timeout_s`; whether it was."""
        return self._requested.wait(timeout_s)
