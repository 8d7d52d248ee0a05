"""The accounts of docs/security.md can do what the parts need, on real servers, and no more."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from redis import Redis

from connectors.accounts import Accounts, SignedIn
from connectors.audit import Audit
from connectors.errors import ConfigError
from connectors.mongo_client import connect as connect_mongo
from connectors.mongo_oplog import read_oplog
from connectors.redis_client import connect, reached
from connectors.settings import Keys
from connectors.stream_ids import Start
from connectors.stream_reader import open_reader
from dashboard.answers import ANSWERS
from tests.acceptance.processes import DBWATCH, ROOT, Job
from tests.conftest import REDIS_KINDS, StartMongod, StartRedis, wait_until
from tests.dashboard.browsing import add, tell_alive
from tests.dashboard.serving import Server, serving
from tests.dashboard.watching import Watcher
from tests.docs.pages import blocks, first_cells, section, text_of
from tests.docs.tls_relay import tls_relay

PAGE = text_of("security.md")
KEYS = Keys("dbwatch")
DATABASE = "sample_mflix"


class Servers(NamedTuple):
    """A MongoDB and a Redis with the accounts of the page; `mongo` and `redis` are clients that may do everything."""

    mongo_uri: str
    mongo: MongoClient[dict[str, Any]]
    redis: Redis
    redis_url_of: Callable[[str], str]


def commands_for_mongo() -> list[dict[str, Any]]:
    (block,) = blocks(section(PAGE, "MongoDB: an account that reads one database"), "javascript")
    return [json.JSONDecoder().raw_decode(part)[0] for part in block.split("runCommand(")[1:]]


def rules_for_redis() -> list[list[str]]:
    (block,) = blocks(section(PAGE, "Redis: one account for each part"), "text")
    return [shlex.split(line) for line in block.strip().split("\n")]


def password_of(rules: list[list[str]], user: str) -> str:
    return next(word[1:] for rule in rules if rule[2] == user for word in rule if word.startswith(">"))


@pytest.fixture
def redis_rules(start_redis: StartRedis, redis_kind: str) -> Generator[tuple[Redis, Callable[[str], str]]]:
    server, rules = start_redis(kind=redis_kind), rules_for_redis()
    with connect(server.uri) as client:
        for rule in rules:
            client.execute_command(*rule)
        address = server.uri.partition("://")[2]
        yield client, lambda user: f"redis://{user}:{password_of(rules, user)}@{address}"


@pytest.fixture
def mongo(start_mongod: StartMongod) -> Generator[tuple[str, MongoClient[dict[str, Any]]]]:
    server = start_mongod(auth=True)
    role, user = commands_for_mongo()
    with MongoClient[dict[str, Any]](server.uri, serverSelectionTimeoutMS=10_000) as root:
        root.admin.command(role)
        root.admin.command(user)
        account = f"{user['createUser']}:{user['pwd']}"
        yield f"mongodb://{account}@127.0.0.1:{server.port}/?replicaSet=rs0&authSource=admin", root


def test_with_the_grant_of_the_page_the_oplog_can_be_read(mongo: tuple[str, MongoClient[dict[str, Any]]]) -> None:
    uri, root = mongo
    (block,) = blocks(section(PAGE, "MongoDB: the oplog, for its headroom"), "javascript")
    with connect_mongo(uri) as client:
        assert read_oplog(client, DATABASE, ["movies"], "").oldest_ms is None
        root.admin.command(json.JSONDecoder().raw_decode(block.split("runCommand(")[1])[0])
        wait_until(lambda: read_oplog(client, DATABASE, ["movies"], "").spare_s is not None)


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_the_job_runs_stops_and_resumes_with_the_least_privileges(
    mongo: tuple[str, MongoClient[dict[str, Any]]],
    redis_rules: tuple[Redis, Callable[[str], str]],
    tmp_path: Path,
) -> None:
    mongo_uri, root = mongo
    client, url_of = redis_rules
    db = root[DATABASE]
    db.create_collection("movies", changeStreamPreAndPostImages={"enabled": True})
    db.movies.insert_one({"_id": 1, "title": "One"})
    db.users.insert_one({"email": "a@b", "name": "A", "password": "x"})
    db.comments.insert_one({"_id": 1, "movie_id": 1, "email": "a@b"})
    settings = {
        "MONGO_URI": mongo_uri,
        "MONGO_DB": DATABASE,
        "REDIS_URL": url_of("dbwatch-flow"),
        "DBWATCH_MONGO_PARTITIONS": "2",
    }
    job = Job(
        tmp_path, settings, [*DBWATCH, "run", "--recovery", str(tmp_path / "recovery"), "--snapshot-interval", "1"]
    )

    def written(count: int) -> Callable[[], bool]:
        return lambda: not job.running or client.xlen(KEYS.changes[0]) >= count

    job.start()
    wait_until(written(3), 30, what="the snapshot is written")
    db.comments.update_one({"_id": 1}, {"$set": {"text": "Good."}})
    wait_until(written(4), 30, what="a change is written")
    assert job.running, job.output()
    assert job.stop() == 0, job.output()
    db.movies.update_one({"_id": 1}, {"$set": {"title": "Two"}})
    job.start()
    wait_until(written(6), 30, what="what came meanwhile is written")
    assert job.running, job.output()
    job.kill()
    job.start()
    wait_until(lambda: not job.running or job.begun, 30)
    assert job.stop() == 0, job.output()
    assert client.xlen(KEYS.changes[0]) == 6
    assert client.hlen(KEYS.health) == 1
    verified = subprocess.run([*DBWATCH, "verify"], env=job.env, cwd=ROOT, capture_output=True, check=False)
    assert verified.returncode == 0, (verified.stdout, verified.stderr)
    named = set(first_cells(section(text_of("records.md"), "`P:job`")))
    assert {name for name in cast("list[str]", client.hkeys(KEYS.job)) if ":" not in name} <= named


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_the_doctor_sees_everything_with_the_grant_of_the_page(
    mongo: tuple[str, MongoClient[dict[str, Any]]], redis_rules: tuple[Redis, Callable[[str], str]]
) -> None:
    mongo_uri, root = mongo
    _, url_of = redis_rules
    for name in ("movies", "users", "comments"):
        root[DATABASE].create_collection(name, changeStreamPreAndPostImages={"enabled": True})
    settings = {"MONGO_URI": mongo_uri, "MONGO_DB": DATABASE, "REDIS_URL": url_of("dbwatch-flow")}

    def unseen() -> set[str]:
        command = [*DBWATCH, "doctor", "--json", "-r", "nowhere"]
        done = subprocess.run(command, env={**os.environ, **settings}, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return {check["check"] for check in json.loads(done.stdout)["checks"] if check["level"] == "unknown"}

    assert unseen() == {"members", "images", "snapshot window", "oplog", "users"}
    (block,) = blocks(section(PAGE, "MongoDB: what the doctor sees"), "javascript")
    root.admin.command(json.JSONDecoder().raw_decode(block.split("runCommand(")[1])[0])
    wait_until(lambda: unseen() == {"users"})


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_people_are_added_sign_in_and_out_with_the_dashboards_account(
    redis_rules: tuple[Redis, Callable[[str], str]],
) -> None:
    _, url_of = redis_rules
    with connect(url_of("dbwatch-dashboard")) as client:
        accounts = Accounts(client, KEYS)
        accounts.add("ann", "a-good-password", one_time=True)
        accounts.set_role("ann", "admin")
        accounts.set_password("ann", "a-better-password")
        assert [account.name for account in accounts.all()] == ["ann"]
        signed_in = accounts.sign_in("ann", "a-better-password", address="127.0.0.1")
        assert isinstance(signed_in, SignedIn)
        assert accounts.session(signed_in.token) is not None
        accounts.sign_out(signed_in.token)
        accounts.add_by_provider("bob", role="admin")
        assert accounts.vouched("bob", "proof", address="127.0.0.1") is not None
        accounts.sign_out("proof")
        accounts.remove("ann")
        audit = Audit(client, KEYS)
        audit.write(audit.entry("export", who="bob"))
        deeds = [entry.action for _, entry in audit.page(10).entries]
        assert deeds == ["export", "sign-out", "sign-in", "sign-out", "sign-in"]


def test_the_page_works_with_the_dashboards_account(
    redis_rules: tuple[Redis, Callable[[str], str]], tmp_path: Path
) -> None:
    client, url_of = redis_rules
    with connect(url_of("dbwatch-dashboard")) as own:
        accounts = Accounts(own, KEYS)
        accounts.add("ann", "a-good-password", role="admin")
        signed_in = accounts.sign_in("ann", "a-good-password", address="127.0.0.1")
        assert isinstance(signed_in, SignedIn)
    add(client, KEYS, "c", "Seen")
    tell_alive(client, KEYS)
    newest = {"stream": 0, "id": cast("Any", client.xrevrange(KEYS.changes[0], count=1))[0][0]}
    range_ms = {"fromMs": 1_700_000_000_000, "toMs": 4_000_000_000_000}

    async def watch(server: Server) -> None:
        page = await Watcher.opened(server, signed_in.token)
        await page.say({"watch": ""})
        assert "Seen" in str(await page.heard("fill"))
        for number, what in enumerate(set(ANSWERS) - {"export.watch"}):
            order = {"format": "csv", "filter": "", "name": "mine", "text": "op:u", **range_ms, **newest}
            await page.say({"ask": number, "what": what, "args": order})
            while not any(told.get("to") == number and told["type"] != "progress" for told in await page.hear() or ()):
                pass
        page.close()

    with serving({"REDIS_URL": url_of("dbwatch-dashboard"), "DBWATCH_PREFIX": "dbwatch"}, tmp_path) as server:
        asyncio.run(asyncio.wait_for(watch(server), 60))
        refused = [entry for entry in cast("Any", client.acl_log()) if "dbwatch-dashboard" in str(entry["username"])]
        objects = {entry["object"] for entry in refused} - {"client|setinfo"}  # which the driver can do without
        assert not objects
        assert "Redis refuses" not in server.log


@pytest.mark.parametrize("redis_kind", REDIS_KINDS)
def test_a_consumer_reads_the_feed_and_nothing_else(redis_rules: tuple[Redis, Callable[[str], str]]) -> None:
    client, url_of = redis_rules
    client.xadd(KEYS.changes[0], {"schema": "1"})
    client.hset(KEYS.user("ann"), "password", "hash")
    reader = open_reader(url_of("dbwatch-consumer"), KEYS.changes, dict, start=Start("0-0"))
    assert len(list(reader.to_end())) == 1
    reader.close()
    with pytest.raises(ConfigError, match="users"):
        Accounts(connect(url_of("dbwatch-consumer")), KEYS).all()
    with connect(url_of("dbwatch-consumer")) as consumer:
        consumer.xgroup_create(KEYS.changes[0], "g", id="0")
        assert consumer.xreadgroup("g", "c", {KEYS.changes[0]: ">"})
        assert consumer.xautoclaim(KEYS.changes[0], "g", "c", 0)
        consumer.xack(KEYS.changes[0], "g", "0-1")


def test_tls_to_redis_verifies_the_authority(redis_url: str, tmp_path: Path) -> None:
    with tls_relay(tmp_path, urlsplit(redis_url).port or 0) as port:
        assert connect(f"rediss://localhost:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}").ping()
        unknown = f"rediss://localhost:{port}/0"
        with pytest.raises(ConfigError, match="CERTIFICATE_VERIFY_FAILED"):
            reached(connect(unknown), unknown)


def test_tls_to_redis_verifies_the_name(redis_url: str, tmp_path: Path) -> None:
    with tls_relay(tmp_path, urlsplit(redis_url).port or 0, host="127.0.0.2") as port:
        other = f"rediss://127.0.0.2:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}"
        with pytest.raises(ConfigError, match="CERTIFICATE_VERIFY_FAILED"):
            reached(connect(other), other)
