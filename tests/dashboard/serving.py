"""The real `panel serve dashboard/app.py`, and what tests ask it with."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import dashboard
from tests.ports import free_port

APP = Path(dashboard.__file__).with_name("app.py")
_READY_TIMEOUT_S = 40.0


class Answer(NamedTuple):
    """What came back: header names are in lower case, `cookies` are those that were set."""

    status: int
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    text: str


class Server:
    """One server process, on a free loopback port."""

    def __init__(
        self,
        env: Mapping[str, str],
        log: Path,
        *,
        app: Path = APP,
        cwd: Path | None = None,
        options: Sequence[str] = (),
        program: Sequence[str] = ("-m", "panel"),
    ) -> None:
        self._env = {**os.environ, **env}
        self._log = log
        self._app = app
        self._cwd = cwd
        self._options = options
        self._program = program
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def start(self) -> None:
        """Start it, or start it again on the same port, and wait until it answers."""
        panel = [sys.executable, *self._program]
        command = [*panel, "serve", str(self._app), "--port", str(self.port), *self._options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--address", "127.0.0.1"],
                env=self._env,
                cwd=self._cwd,
                stdout=log,
                stderr=log,
                process_group=0,  # with --num-procs there are more than this one
            )
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, f"the server has ended:\n{self.log}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.log}"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(timeout=20)
            self._process = None

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, redirects not followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = dict(headers or {})
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body=None if form is None else urlencode(form), headers=sent)
        response = connection.getresponse()
        # what a websocket says after its handshake has no end to wait for
        text = "" if response.status == http.client.SWITCHING_PROTOCOLS else response.read().decode("utf-8", "replace")
        given = SimpleCookie("; ".join(response.headers.get_all("Set-Cookie", [])))
        got = {name.lower(): value for name, value in response.getheaders()}
        response.close()
        connection.close()
        return Answer(response.status, got, {name: morsel.value for name, morsel in given.items()}, text)

    def sign_in(self, name: str, password: str) -> Answer:
        """Fill in the form as a browser would."""
        form = self.ask("/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
        assert xsrf is not None
        sent = {"_xsrf": xsrf[1], "name": name, "password": password}
        return self.ask("/login", method="POST", form=sent, cookies=form.cookies)

    def _answers(self) -> bool:
        try:
            return self.ask("/healthz").status in (200, 404, 503)
        except OSError:
            return False


@contextmanager
def serving(
    env: Mapping[str, str],
    folder: Path,
    *,
    app: Path = APP,
    cwd: Path | None = None,
    options: Sequence[str] = (),
    program: Sequence[str] = ("-m", "panel"),
) -> Generator[Server]:
    """A server that runs while this does; its log is kept in the folder."""
    server = Server(env, folder / "panel.log", app=app, cwd=cwd, options=options, program=program)
    server.start()
    try:
        yield server
    finally:
        server.stop()
