"""Holding the flow back while Redis does not take what is written. Imports no driver; what waits is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from connectors.backoff import pause_s
from connectors.ending import Ending
from connectors.errors import TransientError

log = structlog.get_logger()

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 5.0


class Hold:
    """Tries for one stream, and tells: `on_held` why it holds, or None when it goes on, `on_retry` of each attempt that
    failed for now.
    """

    def __init__(
        self, stream: str, ending: Ending, *, on_held: Callable[[str | None], None], on_retry: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._ending = ending
        self._on_held = on_held
        self._on_retry = on_retry

    def until_done(self, call: Callable[[], T]) -> T:
        """Call until it succeeds, with growing pauses, holding the flow back; raises what does not pass by itself."""
        attempt = 0
        while True:
            try:
                result = call()
            except TransientError as exc:
                if self._ending.requested:
                    raise
                if not attempt:
                    log.warning("sink.held", stream=self._stream, reason=str(exc))
                    self._on_held(str(exc))
                self._on_retry()
                attempt += 1
                self._ending.wait(pause_s(attempt, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S))
                continue
            if attempt:
                log.info("sink.goes_on", stream=self._stream, attempts=attempt)
                self._on_held(None)
            return result
