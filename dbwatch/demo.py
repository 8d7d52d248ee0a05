"""The demo: servers, films, the flow, the dashboard and a story, started in order, watched, and stopped in order."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, cast

from redis import Redis

from connectors.accounts import Accounts
from connectors.ending import Ending
from connectors.errors import ConfigError, DBWatchError
from connectors.passwords import generated_password
from connectors.records import Record
from connectors.redis_client import connect, translated
from connectors.settings import DEFAULTS, Settings
from connectors.stream_ids import Placed
from connectors.stream_reader import newest
from dbwatch.children import Children
from dbwatch.commands.sample import fill_with_progress
from dbwatch.fill import Sizes
from dbwatch.server import HOST
from dbwatch.servers import Addresses, Servers

USER = "demo"
_PORTS = 50
_POLL_S = 0.2
_START_TIMEOUT_S = 180.0
_READY_STATES = {"waiting", "tail", "holding"}


class Options(NamedTuple):
    """What a person may choose."""

    folder: Path
    port: int
    sizes: Sizes
    seed: int
    speed: float


class Invitation(NamedTuple):
    """How to look at it."""

    url: str
    user: str
    password: str


class Hooks(NamedTuple):
    """What the demo tells while it runs."""

    progress: Callable[[str], None]
    invitation: Callable[[Invitation], None]
    first_change: Callable[[Placed[Record]], None]
    last_words: Callable[[str], None]


class Ended(DBWatchError):
    """A part of the demo has ended by itself."""


def run(options: Options, ending: Ending, hooks: Hooks) -> None:
    """Run until `ending` is requested. What is below the folder is kept, and gone on with the next time.

    Raises `ConfigError` when a part does not start, and `Ended` when one ends by itself. All parts have been stopped
    then.
    """
    servers = Servers(options.folder)
    with servers as addresses:
        if not servers.owned:
            raise ConfigError(f"{options.folder}: another process, perhaps a demo, runs on this folder; end it first")
        hooks.progress("MongoDB and Valkey are running")
        settings, env = _settings(addresses, options.folder / "archive")
        fill_with_progress(settings, sizes=options.sizes, seed=options.seed)
        if ending.requested:
            return
        children = Children(options.folder, env=env)
        try:
            _Run(options, settings, children, ending, hooks).run()
        finally:
            hooks.progress("stopping: story, dashboard, flow, servers")
            children.stop()


class _Run:
    """The parts that run on the servers."""

    def __init__(self, options: Options, settings: Settings, children: Children, ending: Ending, hooks: Hooks) -> None:
        self._options, self._settings, self._children = options, settings, children
        self._ending, self._hooks = ending, hooks
        self._redis = connect(settings.redis_url)

    def run(self) -> None:
        started_ms = time.time_ns() // 1_000_000
        python = [sys.executable, "-m"]
        port = _free_port(self._options.port)
        url = f"http://{HOST}:{port}/"
        # The last started is stopped first.
        self._children.start("flow", [*python, "dbwatch", "run", "--recovery", str(self._options.folder / "recovery")])
        self._children.start("dashboard", [*python, *_serve(port)])
        password = _one_time_password(self._redis, self._settings)
        going_on = self._wait(lambda: _answers(url), "the dashboard answers") and self._wait(
            lambda: self._has_records() and bool(self._states(started_ms)), "the first records are in the feed"
        )
        if not going_on:
            return
        self._hooks.invitation(Invitation(url, USER, password))
        if not self._wait(
            lambda: self._states(started_ms) & _READY_STATES, "every row is read; from now on it is live"
        ):
            return
        mark = self._last_id()
        self._children.start("story", [*python, "dbwatch", "simulate", *_simulation(self._options)])
        if self._wait(lambda: self._live_since(mark), None):
            self._hooks.first_change(next(self._live(mark)))
        self._wait(lambda: False, None, timeout_s=float("inf"))

    def _wait(self, happened: Callable[[], object], what: str | None, *, timeout_s: float = _START_TIMEOUT_S) -> bool:
        """Until something has happened (True) or the end was asked for (False), with an eye on the processes."""
        deadline = time.monotonic() + timeout_s
        while not self._ending.wait(_POLL_S):
            if (child := self._children.ended()) is not None:
                self._hooks.last_words(child.last_words())
                raise Ended(
                    f"the {child.name} ended with status {child.exit_status}; its whole log is {child.log_path}"
                )
            if happened():
                if what:
                    self._hooks.progress(what)
                return True
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"not within {timeout_s:.0f} s: {what}; the logs are in {self._options.folder / 'logs'}"
                )
        return False

    def _has_records(self) -> bool:
        return bool(newest(self._redis, self._settings.keys.changes, 1))

    def _states(self, since_ms: int) -> set[str]:
        """The states that processes of the flow have told since a moment."""
        with translated("reading the flow's health"):
            told = cast("dict[str, str]", self._redis.hgetall(self._settings.keys.health))
        health = [json.loads(text) for text in told.values()]
        return {str(one["state"]) for one in health if one["at_ms"] >= since_ms}

    def _last_id(self) -> str:
        return max((entry.id for entry in newest(self._redis, self._settings.keys.changes, 1)), default="0-0")

    def _live_since(self, mark: str) -> bool:
        return any(self._live(mark))

    def _live(self, mark: str) -> Iterator[Placed[Record]]:
        """Changes among the newest records that were made, not read, after a mark."""
        for entry in newest(self._redis, self._settings.keys.changes, 20):
            record = Record.from_fields(entry.item)
            if _order(entry.id) > _order(mark) and record.op != "r":
                yield Placed(entry.stream, entry.id, record)


def _settings(addresses: Addresses, archive: Path) -> tuple[Settings, dict[str, str]]:
    """Every setting as the demo needs it, and the environment that tells its processes so."""
    config = Path(__file__).with_name("sample_mflix.toml")
    values = {
        **DEFAULTS,
        "MONGO_URI": addresses.mongo_uri,
        "REDIS_URL": addresses.redis_url,
        "DBWATCH_CONFIG": str(config),
        "DBWATCH_ARCHIVE": str(archive),
    }
    del values["DBWATCH_METRICS"]  # said, it would have to be had, and another job may have it
    return Settings.load(values), {**os.environ, **values}


def _serve(port: int) -> list[str]:
    spec = find_spec("dashboard")
    assert spec is not None
    assert spec.origin is not None
    app = Path(spec.origin).with_name("app.py")
    origins = [f"--allow-websocket-origin={host}:{port}" for host in (HOST, "localhost")]
    return ["panel", "serve", str(app), "--address", HOST, "--port", str(port), *origins]


def _simulation(options: Options) -> list[str]:
    return ["--seed", str(time.time_ns() // 1_000_000_000), "--speed", str(options.speed)]


def _one_time_password(client: Redis, settings: Settings) -> str:
    accounts = Accounts(client, settings.keys)
    password = generated_password()
    if any(account.name == USER for account in accounts.all()):
        accounts.set_password(USER, password, one_time=True)
        accounts.set_role(USER, "admin")
    else:
        accounts.add(USER, password, role="admin", one_time=True)
    return password


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 our own http address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port(first: int) -> int:
    for port in range(first, min(first + _PORTS, 65536)):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ConfigError(f"no port from {first} on is free for the dashboard; name another one with --port")


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in entry_id.split("-"))
