"""Processes run side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dbwatch.children import Children
from dbwatch.server import process_exists
from tests.conftest import wait_until

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)  # dbwatch"]
FAILS = [sys.executable, "-c", "import sys; print('out of luck'); sys.exit(3)"]


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path, env=dict(os.environ))


def test_they_are_stopped_the_last_one_first(children: Children, tmp_path: Path) -> None:
    # The children tell the time themselves: that of a file is a few milliseconds coarse.
    note = "import signal, sys, time; told = lambda *_: (print(time.monotonic_ns(), flush=True), sys.exit(0))"
    for name in ("first", "second"):
        code = f"{note}; signal.signal(signal.SIGTERM, told); print('ready', flush=True); signal.pause()"
        child = children.start(name, [sys.executable, "-c", code])
        wait_until(lambda child=child: child.last_words() == "ready")
    children.stop()
    second, first = (
        int((tmp_path / "logs" / f"{name}.log").read_text(encoding="utf-8").split()[-1]) for name in ("second", "first")
    )
    assert second < first


def test_one_that_ends_by_itself_is_noticed_with_its_last_words(children: Children) -> None:
    try:
        children.start("sleeper", SLEEPS)
        failing = children.start("failing", FAILS)
        wait_until(lambda: children.ended() is not None)
        assert children.ended() is failing
        assert failing.exit_status == 3
        assert failing.last_words() == "out of luck"
    finally:
        children.stop()


def test_ctrl_c_in_the_terminal_does_not_reach_them(children: Children) -> None:
    child = children.start("sleeper", SLEEPS)
    try:
        assert child.pid is not None
        assert os.getsid(child.pid) != os.getsid(0)
    finally:
        children.stop()
    assert child.exit_status == -signal.SIGTERM


def test_those_of_a_killed_parent_are_ended_before_others_start(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from dbwatch.children import Children; "
        f"child = Children(Path({str(tmp_path)!r}), env=dict(os.environ)).start('left', {SLEEPS!r}); "
        "print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    left = int(done.stdout)
    assert process_exists(left)
    children = Children(tmp_path, env=dict(os.environ))
    children.stop()
    assert not process_exists(left)
