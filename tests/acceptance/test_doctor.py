"""`dbwatch doctor` on real servers, well and in bad states."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.acceptance.oracle import Document
from tests.acceptance.processes import DBWATCH, ROOT, VIEWS, Job
from tests.acceptance.workload import Workload
from tests.conftest import REDIS_KINDS, StartMongod, StartRedis, wait_until
from tests.connectors.bare_mongod import bare_mongod

Settings = dict[str, str]


class Outcome(NamedTuple):
    """The exit status, and each check's last level and text."""

    status: int
    checks: dict[str, tuple[str, str]]

    def level(self, check: str) -> str:
        return self.checks[check][0]

    def text(self, check: str) -> str:
        return self.checks[check][1]


Doctor = Callable[..., Outcome]


@pytest.fixture
def doctor(settings: dict[str, str], tmp_path: Path) -> Doctor:
    """Runs it with the settings of a whole place, but for what the test changes."""
    config = tmp_path / "dbwatch.toml"
    config.write_text(VIEWS, encoding="utf-8")
    whole = settings | {"DBWATCH_CONFIG": str(config)}

    def run(*arguments: str, **changes: str) -> Outcome:
        command = [*DBWATCH, "doctor", "--json", *arguments]
        done = subprocess.run(command, env={**os.environ, **whole, **changes}, cwd=ROOT, capture_output=True)
        assert b"Traceback" not in done.stderr, done.stderr
        if done.returncode == 2:
            return Outcome(2, {"settings": ("fail", done.stderr.decode())})
        checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
        return Outcome(done.returncode, {check["check"]: (check["level"], check["text"]) for check in checks})

    return run


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_a_place_where_the_job_runs_is_well(
    doctor: Doctor,
    mongo: MongoClient[Document],
    settings: dict[str, str],
    mongo_db: str,
    redis_url: str,
    prefix: str,
    tmp_path: Path,
) -> None:
    Workload(mongo, mongo_db, 1).fill(30)
    folder = str(tmp_path / "recovery")
    with (
        Job(tmp_path, settings, [*DBWATCH, "run", "-r", folder, "-s", "1"]) as job,
        Redis.from_url(redis_url, decode_responses=True) as client,
    ):
        job.start()
        wait_until(lambda: '"state":"tail"' in str(client.hget(f"{prefix}:health", "0")), 30)
        found = doctor("-r", folder)
        assert (found.status, found.level("job"), found.level("recovery")) == (0, "ok", "ok"), found
        assert "running (tail)" in found.text("job")
        assert "1 partition," in found.text("recovery")
        assert found.level("images") == found.level("privileges") == found.level("redis rights") == "ok"
        assert client.hget(f"{prefix}:job", "probe") is None
        assert job.stop() == 0
        assert "stopped in order" in doctor("-r", folder).text("job")


def test_servers_that_are_away_are_a_line_each(doctor: Doctor) -> None:
    away = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"
    found = doctor(REDIS_URL="redis://127.0.0.1:1", MONGO_URI=away)
    assert found.status == 1
    assert {check for check, (level, _) in found.checks.items() if level == "fail"} == {"mongodb", "redis"}
    assert found.level("recovery") == "ok"


def test_a_standalone_server_is_told_to_become_a_set(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "mongod"
    folder.mkdir()
    with bare_mongod(folder) as port:
        found = doctor(MONGO_URI=f"mongodb://127.0.0.1:{port}/")
    assert (found.status, found.level("mongodb")) == (1, "fail")
    assert "rs.initiate()" in found.text("mongodb")


def test_missing_images_and_collections_are_named(doctor: Doctor, mongo: MongoClient[Document], mongo_db: str) -> None:
    mongo[mongo_db].create_collection("movies")
    mongo[mongo_db].create_collection("comments", changeStreamPreAndPostImages={"enabled": True})
    found = doctor()
    assert found.status == 1
    assert "users does not exist" in found.text("collections")
    assert found.checks["images"] == ("warn", "none on movies: rows of updates are looked up, and may be newer")


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_a_redis_that_throws_keys_away_or_is_full_fails(
    doctor: Doctor, start_redis: StartRedis, redis_kind: str
) -> None:
    server = start_redis(kind=redis_kind, extra_args=["--maxmemory-policy", "allkeys-lru"])
    found = doctor(REDIS_URL=server.uri)
    assert (found.status, found.level("redis memory")) == (1, "fail")
    with Redis.from_url(server.uri) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        full = doctor(REDIS_URL=server.uri)
        assert "used memory > 'maxmemory'" in full.text("redis rights")
        client.config_set("maxmemory", "0")
        client.replicaof("127.0.0.1", "1")  # type: ignore[no-untyped-call]
        replica = doctor(REDIS_URL=server.uri)
    assert replica.level("redis") == replica.level("redis rights") == "fail"


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_a_user_of_redis_without_the_rights_of_a_job_fails(
    doctor: Doctor, start_redis: StartRedis, redis_kind: str
) -> None:
    server = start_redis(kind=redis_kind)
    with Redis.from_url(server.uri) as client:
        rule = "ACL SETUSER reader on >pw resetkeys ~* -@all +ping +info +time +hgetall +xlen +exists"
        client.execute_command(*rule.split())
    found = doctor(REDIS_URL=server.uri.replace("//", "//reader:pw@"))
    assert (found.status, found.level("redis rights")) == (1, "fail")
    assert "XADD, HSET, EVALSHA" in found.text("redis rights")
    assert found.level("users") == "unknown"


def test_what_the_user_of_mongodb_may_not_see_is_said_and_granted_by_the_command_that_is_named(
    doctor: Doctor, start_mongod: StartMongod, mongo_db: str
) -> None:
    server = start_mongod(auth=True)
    with MongoClient[Document](server.uri) as root:
        for name in ("movies", "users", "comments"):
            root[mongo_db].create_collection(name)
        roles: list[Any] = [{"role": "read", "db": mongo_db}]
        root.admin.command("createUser", "dbwatch", pwd="pw", roles=roles)
        root.admin.command("createUser", "nobody", pwd="pw", roles=[])
        uri = f"mongodb://{{}}:pw@127.0.0.1:{server.port}/?replicaSet=rs0&authSource=admin"
        nobody = doctor(MONGO_URI=uri.format("nobody"))
        assert (nobody.status, nobody.level("privileges")) == (1, "fail")
        seen = doctor(MONGO_URI=uri.format("dbwatch"))
        hidden = {check for check, (level, _) in seen.checks.items() if level == "unknown"}
        assert (seen.status, hidden) == (0, {"members", "snapshot window", "oplog"})
        granted = [{"role": "clusterMonitor", "db": "admin"}, {"role": "read", "db": "local"}]
        root.admin.command("grantRolesToUser", "dbwatch", roles=granted)
        assert "unknown" not in {level for level, _ in doctor(MONGO_URI=uri.format("dbwatch")).checks.values()}


def test_a_broken_recovery_folder_fails_and_says_why(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "recovery"
    folder.mkdir()
    (folder / "part-0.sqlite3").write_bytes(b"not a database")
    found = doctor("-r", str(folder))
    assert (found.status, found.level("recovery")) == (1, "fail")
    assert "cannot be read as a recovery partition" in found.text("recovery")


def test_settings_that_cannot_be_used_end_with_status_2(doctor: Doctor) -> None:
    assert doctor(DBWATCH_STREAM_SHARDS="0").status == 2
    assert doctor(DBWATCH_CONFIG="nowhere.toml").status == 2
