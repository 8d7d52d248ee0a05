"""The programs of docs/consumers.md do what the page says of them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

from connectors.records import LookupVersion, Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys
from tests.conftest import wait_until
from tests.docs.pages import ROOT, blocks, text_of

GROUP = "copy"
PROGRAM, READER = blocks(text_of("consumers.md"), "python")
_Entries = list[tuple[str, dict[str, str]]]


def record(key: str, row: int, n: int, after: dict[str, object] | None) -> dict[str, str]:
    versions = Versions(f"{row:016x}", {"movie": LookupVersion(n, "m", None)})
    text = None if after is None else json.dumps(after)
    op = "d" if after is None else "u"
    return Record("comments", op, key, row, versions.row, versions, after=text).to_fields()


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, shards=2)


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    client = connect(redis_url)
    yield client
    client.close()


class Copy:
    """The page's consumer as a process, and the rows that it keeps."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.path = folder / "copy.sqlite3"
        self._program = folder / "consumer.py"
        self._program.write_text(PROGRAM, encoding="utf-8")
        self._env = os.environ | env | {"COPY": str(self.path)}

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, str(self._program)], env=self._env, stderr=subprocess.PIPE, text=True)

    def rows(self) -> dict[str, object]:
        if not self.path.exists():
            return {}
        with closing(sqlite3.connect(self.path, timeout=10)) as db:
            try:
                found = db.execute("SELECT key, row FROM rows").fetchall()
            except sqlite3.OperationalError:  # not made yet
                return {}
        return {key: None if row is None else json.loads(row) for key, row in found}


@pytest.fixture
def copy(tmp_path: Path, redis_url: str, keys: Keys) -> Copy:
    env = {"REDIS_URL": redis_url, "DBWATCH_PREFIX": keys.prefix, "DBWATCH_STREAM_SHARDS": "2"}
    return Copy(tmp_path, env | {"TAKE_OVER_AFTER_MS": "100"})


def test_the_consumer_takes_over_what_another_left_and_applies_each_version_once(
    client: Redis, keys: Keys, copy: Copy
) -> None:
    first, second = keys.changes
    client.xgroup_create(first, GROUP, id="0", mkstream=True)
    client.xadd(first, {**record("a", 1, 1, {"text": "old"})})
    client.xreadgroup(GROUP, "one-that-died", {first: ">"})
    client.xadd(first, {**record("a", 2, 1, {"text": "new"})})
    client.xadd(first, {**record("a", 2, 2, {"text": "new", "movie": "renamed"})})
    client.xadd(second, {**record("b", 3, 1, {"text": "here"})})
    client.xadd(second, {**record("b", 4, 1, None)})
    client.xadd(second, {**record("b", 3, 1, {"text": "here"})})  # as if it came again, late

    process = copy.start()
    try:
        wanted = {"a": {"text": "new", "movie": "renamed"}, "b": None}
        wait_until(lambda: copy.rows() == wanted, what="the copy holds the newest rows")
        wait_until(lambda: not any(_pending(client, stream) for stream in keys.changes), what="all is confirmed")
        assert copy.rows() == wanted
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "")


def test_a_killed_consumer_leaves_nothing_out_for_the_next(client: Redis, keys: Keys, copy: Copy) -> None:
    process = copy.start()
    wait_until(lambda: len(_groups(client, keys)) == len(keys.changes), what="the groups are there")
    for i in range(200):
        client.xadd(keys.changes[i % 2], {**record(f"k{i % 50}", i + 1, 1, {"i": i})})
    process.kill()
    process.communicate(timeout=10)
    process = copy.start()
    try:
        wanted = {f"k{i % 50}": {"i": i} for i in range(150, 200)}
        wait_until(lambda: copy.rows() == wanted, what="the copy holds the newest rows")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)


def test_the_projects_own_reader_reads_to_the_end(client: Redis, keys: Keys, redis_url: str) -> None:
    client.xadd(keys.changes[0], {**record("a", 1, 1, {"text": "one"})})
    client.xadd(keys.changes[1], {**record("b", 2, 1, {"text": "two"})})
    env = {"REDIS_URL": redis_url, "DBWATCH_PREFIX": keys.prefix, "DBWATCH_STREAM_SHARDS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", READER], env=os.environ | env, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(" ", 1)[1] for line in done.stdout.splitlines()] == [
        'comments u {"text": "one"}',
        'comments u {"text": "two"}',
    ]


def _pending(client: Redis, stream: str) -> int:
    return int(cast("dict[str, int]", client.xpending(stream, GROUP))["pending"])


def _groups(client: Redis, keys: Keys) -> list[str]:
    return [s for s in keys.changes if client.exists(s) and client.xinfo_groups(s)]
