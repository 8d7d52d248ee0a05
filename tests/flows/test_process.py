"""One process of a job: what it says when it ends. Signals are tested with the whole job, in `tests/acceptance`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connectors.ending import Ending
from connectors.errors import (
    BadRecord,
    ConfigError,
    DBWatchError,
    HistoryLost,
    PeerEnded,
    Stopped,
    StreamLost,
    TransientError,
)
from connectors.settings import Keys
from flows.health import Health
from flows.process import engine_failed, finish, report
from flows.pulse import Pulse
from flows.rates import Meter


@pytest.fixture
def pulse() -> Pulse:
    return Pulse(Keys("p"), process=0, meter=Meter(), health=Health(started_ms=0), ending=Ending())


def raised(error: DBWatchError) -> DBWatchError:
    """The error with a traceback."""
    try:
        raise error
    except DBWatchError as exc:
        return exc


@pytest.mark.parametrize(
    ("kind", "status"),
    [(ConfigError, 2), (HistoryLost, 2), (StreamLost, 2), (BadRecord, 3), (TransientError, 1), (Stopped, 0)],
)
def test_an_error_is_one_line_and_its_exit_status(
    kind: type[DBWatchError], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(raised(kind("what was\n  found"))) == status
    assert capsys.readouterr().err == "dbwatch: error: what was found\n"


def test_verbose_says_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    report(raised(ConfigError("found")), verbose=True)
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("dbwatch: error: found\n")


def test_a_job_that_was_asked_to_end_ends_well() -> None:
    assert finish(None) == 0


def test_a_job_that_failed_says_why_and_with_which_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish(StreamLost("entries are gone")) == 2
    assert "dbwatch: error: entries are gone" in capsys.readouterr().err


def test_a_recovery_store_that_cannot_be_written_is_told_as_that(pulse: Pulse) -> None:
    ending = Ending()
    said = 'called `Result::unwrap()` on an `Err` value: SqliteFailure(Error { code: DiskFull }, Some("disk is full"))'
    assert engine_failed(ending, pulse, RuntimeError(f"(src/run.rs:167:13) {said}"))
    assert str(ending.error).startswith(
        "the recovery folder cannot be written: disk is full; if its disk is full, make"
    )


def test_a_connection_that_broke_within_a_cluster_is_told_as_that(pulse: Pulse) -> None:
    ending = Ending()
    assert engine_failed(ending, pulse, RuntimeError("Send thread panic: Any { .. }"))
    assert isinstance(ending.error, PeerEnded)
    assert str(ending.error).startswith("the connection to another process of the job broke")


def test_a_signal_that_a_librarys_thread_takes_ends_the_job_in_order_all_the_same() -> None:
    code = (
        "import os, pyarrow\n"
        "from connectors.ending import Ending\n"
        "from flows.process import end_on_signals\n"
        "ending = Ending()\n"
        "end_on_signals(ending)\n"
        "os.kill(os.getpid(), 15)\n"
        "print(ending.wait(10), flush=True)\n"
        "os.kill(os.getpid(), 2)\n"
        "ending_never = Ending().wait(10)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.endswith("True\n")
    assert done.returncode == 128 + 2


def test_a_job_loads_the_archives_library_only_when_it_keeps_one() -> None:
    code = "import sys, flows.watch; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "False\n"
