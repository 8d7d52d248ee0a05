"""Ctrl-C and SIGTERM as a request to end, so that what runs ends in its own order."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

from connectors.ending import Ending


@contextmanager
def ending_on_signals() -> Generator[Ending]:
    """An `Ending` that SIGINT and SIGTERM request; the former handlers are put back. Main thread only.

    A second Ctrl-C raises `KeyboardInterrupt`, for a person who will not wait.
    """
    ending = Ending()

    def request(number: int, _frame: object) -> None:
        if ending.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        ending.request()

    former = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
