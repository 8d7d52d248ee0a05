"""One process of a job: it ends on a signal, by the sources' end, and its exit status says how it ended."""

from __future__ import annotations

import atexit
import gc
import os
import queue
import re
import signal
import sys
import threading
import traceback
from types import TracebackType
from typing import NoReturn

import structlog

from connectors.ending import Ending
from connectors.errors import DBWatchError, PeerEnded
from flows.again import Again, run_again
from flows.pulse import Pulse

log = structlog.get_logger()

_SQLITE = re.compile(r'SqliteFailure\(.*Some\("([^"]*)"\)')
"""How the engine tells that SQLite failed, under its recovery store."""

_CONNECTION = re.compile(r"(Send|Recv) thread panic")
"""How the engine tells that the connection to another process broke."""

_POLL_S = 0.2


def end_on_signals(ending: Ending) -> None:
    """Let SIGINT and SIGTERM end the sources, so that the engine takes a snapshot; a second one ends the process at
    once.

    The engine waits in native code, where a Python signal handler may come late; so the signals are blocked, and a
    thread waits for them. Call it in the main thread, before other threads are started. Libraries may have started some
    when they were imported, as pyarrow does: what arrives there is told by the interpreter's wakeup file.
    """
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()

    def wait() -> None:
        while True:
            arrived.put(signal.sigwait(signals))

    read, written = os.pipe()
    os.set_blocking(written, False)
    for number in signals:
        signal.signal(number, _pass)  # the wakeup file is only told of signals that have a handler
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)

    def listen() -> None:
        while True:
            for number in os.read(read, 1):
                if number in signals:
                    arrived.put(number)

    def heed() -> None:
        log.info("job.stopping", signal=signal.Signals(arrived.get()).name)
        ending.request()
        os._exit(128 + arrived.get())

    for task in (wait, listen, heed):
        threading.Thread(target=task, name="dbwatch signals", daemon=True).start()


def _pass(_number: int, _frame: object) -> None:
    """What a signal does is done by the threads that wait for it."""


def without_backtraces() -> None:
    """Let a panic of the engine write no backtrace of its own code, which helps nobody who runs a job; two lines of it
    remain. Whoever asked for one with RUST_BACKTRACE=full gets it.
    """
    if os.environ.get("RUST_BACKTRACE") != "full":
        os.environ["RUST_BACKTRACE"] = "0"


def collect_seldom() -> None:
    """Let the garbage collector look seldom: state is many immutable values without cycles, which reference counts
    free.

    See `docs/decisions/0009-collect-seldom.md` for what that saves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def take_turns_often() -> None:
    """Let Python's threads take turns every millisecond instead of every five: each answer of a server would wait so
    long for the worker. See `docs/decisions/0026-in-one-step-by-turns.md`.
    """
    sys.setswitchinterval(0.001)


def finish_at_exit(ending: Ending, pulse: Pulse, again: Again) -> None:
    """For `bytewax.run`, which knows nothing of `ending`: report its error when the interpreter exits, instead of a
    traceback, and exit with its status."""

    def except_hook(kind: type[BaseException], exc: BaseException, tb: TracebackType | None) -> None:
        if engine_failed(ending, pulse, exc):
            traceback.print_exception(kind, exc, tb)

    sys.excepthook = except_hook
    atexit.register(leave, ending, pulse, again)
    ending.on_abandon(lambda: leave(ending, pulse, again))


def leave_unless(connected: threading.Event, ending: Ending) -> None:
    """Until the processes of a cluster are connected, the engine waits where no source can end it. Nothing has been
    read by then; so whoever is asked to end leaves at once.
    """

    def watch() -> None:
        while not connected.wait(_POLL_S):
            if ending.requested:
                ending.leave()

    threading.Thread(target=watch, name="dbwatch connection", daemon=True).start()


def leave(ending: Ending, pulse: Pulse, again: Again, *, verbose: bool = False) -> NoReturn:
    """Finish, and end the process, or begin anew in it. Threads of the engine and the drivers may still hold
    connections; what had to be written is written.
    """
    error, goes_on = ending.error, False
    if error is not None:
        try:
            goes_on = again.is_arranged(error)
        except DBWatchError as exc:
            error = exc
    begins_anew = goes_on and not ending.asked
    pulse.stop(begins_anew=begins_anew)
    if begins_anew and not ending.asked:
        run_again()
    os._exit(finish(None if goes_on else error, verbose=verbose))


def finish(error: DBWatchError | None, *, verbose: bool = False) -> int:
    """Say how the job ended to whoever started it; returns the exit status."""
    if error is not None:
        return report(error, verbose=verbose)
    log.info("job.stopped")
    sys.stderr.flush()
    return 0


def report(error: DBWatchError, *, verbose: bool = False) -> int:
    """One line on stderr, with `verbose` the traceback before it; returns the exit status."""
    if verbose:
        traceback.print_exception(error)
    sys.stderr.write(f"dbwatch: error: {' '.join(str(error).split())}\n")
    sys.stderr.flush()
    return error.exit_status


def engine_failed(ending: Ending, pulse: Pulse | None, exc: BaseException) -> bool:
    """Keep the error of an engine that panicked, unless it is known why; whether it was kept.

    In a cluster an engine panics when another process ends: what that one says, or that it is gone, is worth waiting
    for.
    """
    if pulse is not None:
        pulse.await_news()
    kept = ending.error is None
    ending.fail(_failed(exc), at_once=True)
    return kept


def _failed(exc: BaseException) -> DBWatchError:
    """The error of an engine that panicked: what was raised first, for the engine wraps it several times."""
    while exc.__cause__ is not None:
        exc = exc.__cause__
    if found := _SQLITE.search(str(exc)):
        return DBWatchError(
            f"the recovery folder cannot be written: {found.group(1)}; if its disk is full, make room: nothing is "
            "lost, and the job goes on from its last snapshot when it is started again"
        )
    if _CONNECTION.search(str(exc)):
        return PeerEnded(
            "the connection to another process of the job broke: that process or its machine is gone, or cannot be "
            "reached; look at its log, and start all of them again"
        )
    return DBWatchError(
        f"the dataflow failed: {type(exc).__name__}: {exc}; start it again, which goes on from its last recovery "
        "snapshot; if it fails in the same way, go back to an earlier one (docs/upgrading.md)"
    )
