"""Whether another process is certainly gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from connectors.process_ids import ProcessId, is_gone, this_process
from tests.conftest import wait_until

# Only Linux has the files that tell when a process began; elsewhere `is_gone` says no, which nothing here is about.
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nothing is certain without /proc")
HERE = this_process()


@pytest.fixture
def another() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def identity(process: subprocess.Popen[bytes]) -> ProcessId:
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return HERE._replace(pid=process.pid, started=fields[19])


def test_a_process_that_runs_or_is_stopped_is_not_gone(another: subprocess.Popen[bytes]) -> None:
    assert not is_gone(identity(another), HERE)
    another.send_signal(signal.SIGSTOP)
    assert not is_gone(identity(another), HERE)


def test_a_process_that_was_killed_is_gone_even_before_its_parent_looks(another: subprocess.Popen[bytes]) -> None:
    process = identity(another)
    another.kill()
    wait_until(lambda: is_gone(process, HERE))
    another.wait()
    assert is_gone(process, HERE)


def test_another_process_with_its_number_is_not_it(another: subprocess.Popen[bytes]) -> None:
    assert is_gone(identity(another)._replace(started="1"), HERE)


def test_whoever_had_our_own_number_is_gone() -> None:
    assert is_gone(HERE, HERE)
    assert is_gone(HERE._replace(started="1"), HERE)


@pytest.mark.parametrize(
    "elsewhere", [HERE._replace(place="another boot"), HERE._replace(place=""), HERE._replace(host="another")]
)
def test_nothing_is_certain_of_another_machine_or_container(elsewhere: ProcessId) -> None:
    assert not is_gone(elsewhere._replace(pid=2**22), HERE)


def test_a_process_of_another_user_that_proc_hides_is_not_taken_for_gone(
    another: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = identity(another)
    monkeypatch.setattr("connectors.process_ids._PROC", tmp_path)
    assert not is_gone(process, HERE)
    assert this_process().place == ""
