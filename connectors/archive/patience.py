"""Waiting for a disk that does not take what is written. An edge: it waits."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog

from connectors.backoff import pause_s
from connectors.errors import DBWatchError

log = structlog.get_logger()

T = TypeVar("T")

OnHeld = Callable[[str | None], None]
"""Told why writing waits, or None when it goes on; called in the thread that writes."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 5.0
_LASTING = frozenset({errno.EBADF, errno.EINVAL, errno.EFAULT})
"""A mistake of ours, which no waiting mends."""


class GaveUp(DBWatchError):
    """The end came while writing still waited."""


class Patience:
    """Tries until it works, with growing pauses. Other threads may look at `held` and call `give_up`."""

    def __init__(self, name: str, *, on_held: OnHeld = lambda _: None) -> None:
        """`name` is what the log calls it."""
        self._name = name
        self._on_held = on_held
        self._given_up = threading.Event()
        self.held: str | None = None

    def until_done(self, call: Callable[[], T]) -> T:
        """Call until it raises no `OSError`; raises `GaveUp` once `give_up` was called."""
        attempt = 0
        while True:
            try:
                result = call()
            except OSError as exc:
                if exc.errno in _LASTING:
                    raise
                if not attempt:
                    self._hold(exc)
                attempt += 1
                if self._given_up.wait(pause_s(attempt, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)):
                    raise GaveUp(f"{self._name} cannot be written: {self.held}") from exc
                continue
            if attempt:
                self.held = None
                log.info("archive.goes_on", what=self._name, attempts=attempt)
                self._on_held(None)
            return result

    def give_up(self) -> None:
        self._given_up.set()

    def _hold(self, exc: OSError) -> None:
        self.held = exc.strerror or type(exc).__name__
        log.warning("archive.held", what=self._name, reason=self.held, file=str(exc.filename or ""))
        self._on_held(self.held)
