"""The demo, as a person starts it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest

from connectors.accounts import Accounts, Refused, SignedIn
from connectors.redis_client import connect
from connectors.settings import Keys
from dbwatch.server import process_exists
from tests.conftest import wait_until
from tests.ports import free_port

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
SMALL = ["--movies", "200", "--users", "20", "--comments", "500", "--speed", "10"]


class Demo:
    """A running `dbwatch demo` and what it has said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said_path = folder.parent / "said"
        port = str(free_port())
        command = [sys.executable, "-m", "dbwatch", "demo", "--folder", str(folder), "--port", port, *SMALL]
        with self.said_path.open("w") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)

    @property
    def said(self) -> str:
        return self.said_path.read_text(encoding="utf-8")

    def wait_for(self, words: str) -> None:
        wait_until(
            lambda: words in self.said or self.process.poll() is not None, START_TIMEOUT_S, what=f"{words}: {self.said}"
        )
        assert words in self.said

    def found(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found is not None, self.said
        return found[1]

    def pids(self) -> list[int]:
        servers = [json.loads((self.folder / f"{name}.json").read_text())["pid"] for name in ("mongod", "valkey")]
        return [*servers, *json.loads((self.folder / "children.json").read_text())]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)


@pytest.fixture
def demo(tmp_path: Path) -> Generator[Demo]:
    demo = Demo(tmp_path / "demo")
    yield demo
    if demo.process.poll() is None:
        demo.end(signal.SIGTERM)


@pytest.mark.timeout(300)
def test_it_invites_shows_a_change_ends_cleanly_and_goes_on_the_next_time(demo: Demo) -> None:
    demo.wait_for("The first change is live")
    url = demo.found(r"Open +(http://127\.0\.0\.1:\d+/)")
    password = demo.found(r"Password +(\S+)")
    with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310 our own http address
        assert page.status == 200
    port = json.loads((demo.folder / "valkey.json").read_text())["port"]
    redis = connect(f"redis://127.0.0.1:{port}/0")
    accounts = Accounts(redis, Keys("dbwatch"))
    assert isinstance(accounts.sign_in("demo", password, address="192.0.2.1"), SignedIn)
    assert isinstance(accounts.sign_in("demo", password, address="192.0.2.1"), Refused)
    written = redis.xlen("dbwatch:changes")
    running = demo.pids()
    assert demo.end() == 0
    assert not any(process_exists(pid) for pid in running)

    again = Demo(demo.folder)
    try:
        again.wait_for("The first change is live")
        assert "(there already)" in again.said
        assert password not in again.said
        assert connect(f"redis://127.0.0.1:{port}/0").xlen("dbwatch:changes") >= written
    finally:
        assert again.end(signal.SIGTERM) == 0


@pytest.mark.timeout(200)
def test_when_a_part_ends_it_says_which_stops_the_rest_and_fails(demo: Demo) -> None:
    demo.wait_for("Open")
    running = demo.pids()
    dashboard = running[3]
    subprocess.run(["kill", "-KILL", str(dashboard)], check=True)
    assert demo.process.wait(STOP_TIMEOUT_S) == 1
    assert "dbwatch: error: the dashboard ended with status -9; its whole log is" in demo.said
    assert "Bokeh app running" in demo.said
    assert not any(process_exists(pid) for pid in running)
