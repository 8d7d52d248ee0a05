"""Real servers for the tests: shared ones for the session, and private ones for tests that kill or configure them.

A test that asks for `mongo_db` or `prefix` has a database or a key prefix of its own on the shared servers.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pymongo import MongoClient
from redis import Redis

from dbwatch import binaries
from dbwatch.mongod import Mongod
from dbwatch.valkey import Valkey
from tests.ports import free_port
from tests.secured import SecuredMongod

Document = dict[str, Any]
REDIS_KINDS = ("valkey", "redis")
_POLL_S = 0.02
_LONGEST_POLL_S = 0.5
_HERE = Path(__file__).parent
_LONGEST_FIRST = ("faults", "acceptance", "dashboard", "benchmarks")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else the processes that tests interrupt ignore it, too
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup has it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ["DBWATCH_ARCHIVE"] = "off"  # a test that wants an archive says where; none is made in the repository
# The time of an idle replica set moves only with these; whoever waits for it would wait for up to ten seconds.
_LIVELY = ("--setParameter", "periodicNoopIntervalSecs=1")

# How long an example takes says something about the machine, nothing about the claim.
hypothesis_settings.register_profile("dbwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("dbwatch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that at the end no one of several workers is left with a long one."""
    order = {name: place for place, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.relative_to(_HERE).parts[0], len(order)))


class StartMongod(Protocol):
    """Start a replica set of one that only this test uses; it is stopped when the test ends.

    With `auth` or `tls` it is a `SecuredMongod`, whose `uri` holds what a client needs. The same `folder` again is a
    restart.
    """

    def __call__(
        self, *, auth: bool = False, tls: bool = False, extra_args: Sequence[str] = (), folder: Path | None = None
    ) -> Mongod: ...


class StartRedis(Protocol):
    """Start a server of `kind`, "valkey" or "redis", that only this test uses; it is stopped when the test ends."""

    def __call__(
        self, *, kind: str = "valkey", extra_args: Sequence[str] = (), folder: Path | None = None
    ) -> Valkey: ...


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mongod]:
    """The shared replica set."""
    server = Mongod(tmp_path_factory.mktemp("mongod"), preferred_port=free_port(), extra_args=_LIVELY)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mongo_uri(mongod: Mongod) -> str:
    return mongod.uri


@pytest.fixture(scope="session")
def mongo(mongo_uri: str) -> Generator[MongoClient[Document]]:
    """A client of the shared replica set."""
    with MongoClient[Document](mongo_uri, serverSelectionTimeoutMS=10_000) as client:
        yield client


@pytest.fixture
def mongo_db(mongo: MongoClient[Document]) -> Generator[str]:
    """The name of a database that only this test uses; it is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    mongo.drop_database(name)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[Valkey]:
    """The shared Valkey."""
    yield from _running(Valkey(tmp_path_factory.mktemp("valkey"), preferred_port=free_port()))


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[Valkey]:
    """The shared Redis 8."""
    yield from _running(Valkey(tmp_path_factory.mktemp("redis"), preferred_port=free_port(), program=binaries.redis()))


@pytest.fixture(scope="session")
def redis_kind() -> str:
    """Which server `redis_url` means. On each: `@pytest.mark.parametrize("redis_kind", REDIS_KINDS)`."""
    return "valkey"


@pytest.fixture
def redis_url(redis_kind: str, request: pytest.FixtureRequest) -> str:
    server = request.getfixturevalue(redis_kind)
    assert isinstance(server, Valkey)
    return server.uri


@pytest.fixture
def prefix(redis_url: str) -> Generator[str]:
    """A prefix of keys that only this test uses; what is below it is removed afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    with Redis.from_url(redis_url) as client:
        keys: list[bytes] = list(client.scan_iter(match=f"{name}:*", count=1000))  # pyright: ignore[reportUnknownArgumentType]
        if keys:
            client.delete(*keys)


@pytest.fixture
def start_mongod(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartMongod]:
    with ExitStack() as stack:

        def start(
            *, auth: bool = False, tls: bool = False, extra_args: Sequence[str] = (), folder: Path | None = None
        ) -> Mongod:
            where = folder or tmp_path_factory.mktemp("mongod")
            arguments = (*_LIVELY, *extra_args)
            server = (
                SecuredMongod(where, auth=auth, tls=tls, extra_args=arguments)
                if auth or tls
                else Mongod(where, preferred_port=free_port(), extra_args=arguments)
            )
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartRedis]:
    with ExitStack() as stack:

        def start(*, kind: str = "valkey", extra_args: Sequence[str] = (), folder: Path | None = None) -> Valkey:
            program = binaries.redis() if kind == "redis" else None
            where = folder or tmp_path_factory.mktemp(kind)
            server = Valkey(where, preferred_port=free_port(), program=program, extra_args=extra_args)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


def wait_until(predicate: Callable[[], object], timeout_s: float = 30.0, *, what: str = "") -> None:
    """Return once `predicate` gives something true; fail the test, naming `what`, when it has not by then."""
    if not comes_true(predicate, timeout_s):
        pytest.fail(f"not within {timeout_s} s: {what or predicate}")


def comes_true(predicate: Callable[[], object], timeout_s: float) -> bool:
    """Whether `predicate` gives something true in time. What takes long to ask is asked less often, so that waiting
    leaves the processor to what is waited for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        asked = time.monotonic()
        if predicate():
            return True
        now = time.monotonic()
        if now > deadline:
            return False
        time.sleep(min(max(_POLL_S, 2 * (now - asked)), _LONGEST_POLL_S))


def _running(server: Valkey) -> Generator[Valkey]:
    server.start()
    yield server
    server.stop()
