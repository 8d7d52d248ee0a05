"""Embedded servers: started once, shared, found again, stopped by who owns them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from connectors.errors import ConfigError
from dbwatch.server import HOST, command_line, process_exists
from dbwatch.servers import Addresses, Servers
from tests.conftest import StartMongod, StartRedis, wait_until


def keep(addresses: Addresses) -> None:
    with MongoClient[dict[str, Any]](addresses.mongo_uri) as mongo, Redis.from_url(addresses.redis_url) as redis:
        mongo.test.kept.insert_one({"_id": 1})
        redis.set("kept", "1")


def is_kept(addresses: Addresses) -> bool:
    with MongoClient[dict[str, Any]](addresses.mongo_uri) as mongo, Redis.from_url(addresses.redis_url) as redis:
        return mongo.test.kept.count_documents({}) == 1 and redis.get("kept") == b"1"


def pids(servers: Servers) -> list[int]:
    return [pid for server in (servers.mongod, servers.valkey) if (pid := server.pid) is not None]


@pytest.fixture
def servers(tmp_path: Path) -> Generator[Servers]:
    servers = Servers(tmp_path)
    yield servers
    servers.stop()


def test_data_and_addresses_outlive_a_restart(servers: Servers, tmp_path: Path) -> None:
    with servers as first:
        keep(first)
        running = pids(servers)
    assert not any(process_exists(pid) for pid in running)
    with Servers(tmp_path) as second:
        assert second == first
        assert is_kept(second)


def test_a_second_user_of_a_folder_shares_its_servers_and_leaves_them_running(servers: Servers, tmp_path: Path) -> None:
    addresses = servers.start()
    other = Servers(tmp_path)
    with other as shared:
        assert shared == addresses
        assert not other.owned
    assert servers.mongod.answers()
    assert servers.valkey.answers()


def test_servers_of_a_killed_owner_are_taken_up(servers: Servers, tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from dbwatch.servers import Servers; "
        f"Servers(Path({str(tmp_path)!r})).start(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    servers.start()
    assert servers.owned
    assert servers.mongod.was_running
    assert servers.valkey.was_running
    left = pids(servers)
    assert all(str(tmp_path) in command_line(pid) for pid in left)
    servers.stop()
    assert not any(process_exists(pid) for pid in left)


def test_a_server_that_does_not_answer_yet_is_waited_for_and_not_started_twice(
    start_redis: StartRedis, tmp_path: Path
) -> None:
    running = start_redis(folder=tmp_path)
    assert running.pid is not None
    os.kill(running.pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (running.pid, signal.SIGCONT)).start()
    again = start_redis(folder=tmp_path)
    assert again.was_running
    assert again.pid == running.pid


def test_a_port_that_is_taken_meanwhile_is_replaced_and_the_data_is_there(servers: Servers, tmp_path: Path) -> None:
    with servers as first:
        keep(first)
        port = servers.mongod.port
    with socket.socket() as taken:
        taken.bind((HOST, port))
        again = Servers(tmp_path)
        again.mongod.port = port
        with again as second:
            assert second.mongo_uri != first.mongo_uri
            assert is_kept(second)


def test_a_crash_loses_nothing_that_was_confirmed(start_mongod: StartMongod) -> None:
    mongod = start_mongod()
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client.test.kept.insert_one({"_id": 1})
    mongod.kill()
    assert not mongod.is_running()
    mongod.start()
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        assert client.test.kept.count_documents({}) == 1


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="the servers' folder cannot be used: Not a directory"):
        Servers(tmp_path / "file" / "below").start()


def test_a_server_that_refuses_its_arguments_says_why(start_redis: StartRedis) -> None:
    with pytest.raises(ConfigError, match=r"valkey does not start: .*(no-such-option|Bad directive)"):
        start_redis(extra_args=["--no-such-option", "1"])


def test_a_server_evicts_nothing_and_logs_every_write(redis_url: str) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_up_prints_addresses_and_stops_them_on_sigterm(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dbwatch",
        "up",
        "--folder",
        str(tmp_path),
        "--mongo-port",
        "0",
        "--redis-port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        exports = [process.stdout.readline().strip() for _ in range(2)]
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    uri, url = (line.partition("=")[2].strip("'") for line in exports)
    assert exports[0].startswith("export MONGO_URI=")
    assert exports[1].startswith("export REDIS_URL=")
    assert again.stdout.splitlines() == exports
    assert again.returncode == 0
    for address in (uri, url):
        port = int(address.partition(f"{HOST}:")[2].split("/")[0])
        wait_until(lambda port=port: _refuses(port), what=f"nothing listens on {port}")


def _refuses(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) != 0
