"""`dbwatch tail` as a process, against a real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from redis import Redis

from connectors.records import Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys

KEYS_SHARDS = 2
FIRST_MS = 1_763_760_000_000


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, KEYS_SHARDS)


@pytest.fixture(autouse=True)
def settings(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DBWATCH_PREFIX", prefix)
    monkeypatch.setenv("DBWATCH_STREAM_SHARDS", str(KEYS_SHARDS))


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    client = connect(redis_url)
    yield client
    client.close()


def write(client: Redis, keys: Keys, n: int, view: str = "movies") -> str:
    record = Record(
        view, "c", f"k{n}", 1000 + n, f"p{n}", Versions(f"p{n}", {}), after=json.dumps({"title": f"Film {n}"})
    )
    # An id of its own millisecond: the order of two shards' entries of one millisecond is not that of writing.
    return str(client.xadd(keys.changes[n % KEYS_SHARDS], {**record.to_fields()}, id=f"{FIRST_MS + n}-0"))


def start(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dbwatch", "tail", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(*args: str) -> tuple[str, str, int]:
    process = start(*args)
    out, err = process.communicate(timeout=30)
    return out, err, process.returncode


def test_without_following_the_feed_is_printed_to_its_end(client: Redis, keys: Keys) -> None:
    for n in range(4):
        write(client, keys, n)
    out, err, status = finished("--no-follow")
    assert [line.split()[-2:] for line in out.splitlines()] == [["Film", str(n)] for n in range(4)]
    assert (err, status) == ("", 0)
    assert "\x1b" not in out


def test_json_lines_of_one_view_after_an_id(client: Redis, keys: Keys) -> None:
    first = write(client, keys, 0)
    write(client, keys, 1, "users")
    write(client, keys, 2)
    out, _, status = finished("--no-follow", "--json", "--view", "movies", "--from", first)
    assert [json.loads(line)["key"] for line in out.splitlines()] == ["k2"]
    assert status == 0


def test_following_shows_what_comes_and_ctrl_c_is_a_clean_end(client: Redis, keys: Keys) -> None:
    write(client, keys, 0)
    process = start("--from", "start")
    assert process.stdout is not None
    assert "Film 0" in process.stdout.readline()
    write(client, keys, 1)
    assert "Film 1" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("", "", 0)


def test_count_ends_it(client: Redis, keys: Keys) -> None:
    for n in range(5):
        write(client, keys, n)
    out, _, status = finished("--from", "start", "--count", "2")
    assert len(out.splitlines()) == 2
    assert status == 0


def test_a_reader_that_leaves_is_no_error(client: Redis, keys: Keys) -> None:
    for n in range(3000):
        write(client, keys, n)
    with start("--no-follow", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=30) == 0


def test_a_wrong_start_is_one_line_and_status_2() -> None:
    out, err, status = finished("--from", "yesterday")
    assert (out, status) == ("", 2)
    assert "no place to start" in err
    assert err.count("\n") == 1
