"""Ctrl-C, SIGTERM and a terminal that closes as a request to end, so that what runs ends in its own order."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

from connectors.ending import Ending


@contextmanager
def ending_on_signals() -> Generator[Ending]:
    """An `Ending` that SIGINT, SIGTERM and SIGHUP request; the former handlers are put back. Main thread only.

    A SIGHUP that is ignored, as `nohup` has it, stays so. A second Ctrl-C raises `KeyboardInterrupt`, for a person who
    will not wait.
    """
    ending = Ending()

    def request(number: int, _frame: object) -> None:
        if ending.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        ending.request()

    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    former = {number: signal.signal(number, request) for number in wanted}
    try:
        yield ending
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
