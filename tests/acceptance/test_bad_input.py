"""What is not as it must be, met by the job as its users start it: one line that helps, exit status 2, nothing lost."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]
from pymongo import MongoClient
from redis import Redis

from flows.recovery import open_store
from tests.acceptance.oracle import Document, read_feed
from tests.acceptance.processes import DBWATCH, ENGINE, VIEWS, Job, free_addresses
from tests.conftest import StartMongod, StartRedis, wait_until
from tests.connectors.bare_mongod import bare_mongod

SECRET = "s3cret"
QUICK = "serverSelectionTimeoutMS=500"
COLLECTIONS = ("movies", "users", "comments")
Settings = dict[str, str]


@pytest.fixture
def settings(settings: Settings, mongo: MongoClient[Document]) -> Settings:
    """Of servers that are as they must be."""
    for name in COLLECTIONS:
        mongo[settings["MONGO_DB"]][name].insert_one({"_id": 1})
    return settings


class World(NamedTuple):
    """What a case may spoil: settings, the recovery folder, the views file; and servers of its own."""

    settings: Settings
    recovery: Path
    config: Path
    start_redis: StartRedis
    start_mongod: StartMongod
    stack: ExitStack

    def redis(self, *arguments: str) -> None:
        self.settings["REDIS_URL"] = self.start_redis(extra_args=arguments).uri


Case = Callable[[World], None]


def error_of(job: Job) -> str:
    """The one line that is no log, without its beginning."""
    lines = [line for line in job.output().splitlines() if not _is_log(line)]
    assert len(lines) == 1, job.output()
    assert SECRET not in job.output()
    assert lines[0].startswith("dbwatch: error: ")
    return lines[0].removeprefix("dbwatch: error: ")


def _is_log(line: str) -> bool:
    return line.startswith("{") and "event" in json.loads(line)


# --- before it starts ----------------------------------------------------------------------------------------------


def unreachable_mongodb(world: World) -> None:
    world.settings["MONGO_URI"] = f"mongodb://u:{SECRET}@127.0.0.1:9/?replicaSet=rs0&{QUICK}"


def standalone_mongodb(world: World) -> None:
    folder = _folder(world.recovery / "mongod")
    world.settings["MONGO_URI"] = f"mongodb://127.0.0.1:{world.stack.enter_context(bare_mongod(folder))}/"


def wrong_mongodb_password(world: World) -> None:
    server = world.start_mongod(auth=True)
    world.settings["MONGO_URI"] = f"mongodb://watcher:{SECRET}@127.0.0.1:{server.port}/?replicaSet=rs0&authSource=admin"


def missing_database(world: World) -> None:
    world.settings["MONGO_DB"] += "_not"


def missing_collection(world: World) -> None:
    world.config.write_text("[views.moves]\n[views.users]\n")


def unreachable_redis(world: World) -> None:
    world.settings["REDIS_URL"] = f"redis://:{SECRET}@127.0.0.1:9/0"


def wrong_redis_password(world: World) -> None:
    world.redis()
    with Redis.from_url(world.settings["REDIS_URL"]) as client:
        client.config_set("requirepass", "another")
    world.settings["REDIS_URL"] = world.settings["REDIS_URL"].replace("redis://", f"redis://:{SECRET}@")


def redis_that_evicts(world: World) -> None:
    world.redis("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")


def redis_without_room(world: World) -> None:
    world.redis("--maxmemory", "1")


def redis_replica(world: World) -> None:
    world.redis("--replicaof", "127.0.0.1", "9")


def recovery_of_another_flow(world: World) -> None:
    with sqlite3.connect(world.recovery / "part-0.sqlite3") as db:
        db.execute(
            "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES ('other.count', 'a', 1, ?)", (b"",)
        )
    db.close()


def recovery_that_lacks_a_part(world: World) -> None:
    (world.recovery / "part-1.sqlite3").unlink()


def recovery_that_was_cut_off(world: World) -> None:
    part = world.recovery / "part-0.sqlite3"
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])


def views_with_an_unknown_key(world: World) -> None:
    world.config.write_text("[views.movies]\nfield = ['title']\n")


def views_that_are_no_toml(world: World) -> None:
    world.config.write_text("views: movies\n")


def no_views_file(world: World) -> None:
    world.config.unlink()


def setting_that_is_no_number(world: World) -> None:
    world.settings["DBWATCH_STREAM_SHARDS"] = "several"


def address_of_another_kind(world: World) -> None:
    world.settings["MONGO_URI"] = f"watcher:{SECRET}@127.0.0.1:27017"


CASES: list[tuple[Case, str]] = [
    (
        unreachable_mongodb,
        "MONGO_URI: no answer from mongodb://127.0.0.1:9/ .*expected a MongoDB replica set.*start it",
    ),
    (standalone_mongodb, "MONGO_URI: found a standalone server.*expected a replica set.*--replSet"),
    (wrong_mongodb_password, "MONGO_URI: MongoDB refused the user or password"),
    (missing_database, "MONGO_DB: database '.*_not' has no collections; did you mean"),
    (missing_collection, "MONGO_DB: .* has no collection 'moves'.*did you mean 'movies'"),
    (unreachable_redis, "REDIS_URL: .*127.0.0.1:9"),
    (wrong_redis_password, "REDIS_URL: Redis refuses.*check the user, password"),
    (redis_that_evicts, "maxmemory-policy is allkeys-lru.*noeviction is needed"),
    (redis_without_room, "Redis is not ready for writing.*maxmemory.*expected a server that.*has room"),
    (redis_replica, "Redis is not ready for writing.*replica"),
    (
        recovery_of_another_flow,
        "recovery folder .*: holds the state of the flow 'other', expected.*'watch'; name another",
    ),
    (recovery_that_lacks_a_part, "recovery folder .*: part-.* expects 2 partition files, found 1"),
    (recovery_that_was_cut_off, r"recovery folder .*: part-0.sqlite3 cannot be read.*restore it"),
    (views_with_an_unknown_key, r"dbwatch.toml: \[views.movies\] unknown key `field` \(did you mean `fields`\?\)"),
    (views_that_are_no_toml, "dbwatch.toml: not valid TOML"),
    (no_views_file, "dbwatch.toml: no such file; write one with `dbwatch init`"),
    (setting_that_is_no_number, "DBWATCH_STREAM_SHARDS: expected a whole number from 1 to 64, found 'several'"),
    (address_of_another_kind, "MONGO_URI: expected an address that begins with mongodb://"),
]


def each_started() -> Iterator[Any]:
    """Each case with one of the two ways to start a job, which take turns; `make soak` has the other."""
    for number, (spoil, said) in enumerate(CASES):
        for way, command in enumerate((ENGINE, (*DBWATCH, "run"))):
            marks = () if number % 2 == way else (pytest.mark.soak,)
            yield pytest.param(spoil, said, command, id=f"{spoil.__name__}-{('engine', 'dbwatch')[way]}", marks=marks)


@pytest.mark.parametrize(("spoil", "said", "command"), [*each_started()])
def test_bad_input_is_one_line_and_exit_status_2(
    settings: Settings,
    tmp_path: Path,
    start_redis: StartRedis,
    start_mongod: StartMongod,
    spoil: Case,
    said: str,
    command: Sequence[str],
) -> None:
    recovery, config = tmp_path / "recovery", tmp_path / "dbwatch.toml"
    init_db_dir(_folder(recovery), 2)
    config.write_text(VIEWS)
    settings["DBWATCH_CONFIG"] = str(config)
    with ExitStack() as stack:
        spoil(World(settings, recovery, config, start_redis, start_mongod, stack))
        job = stack.enter_context(Job(_folder(tmp_path / "job"), settings, [*command, "-r", str(recovery)]))
        job.start()
        assert job.wait() == 2, job.output()
        assert re.search(said, error_of(job))
        assert "Traceback" not in job.output()


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_recovery_folder_that_is_missing_is_made_by_dbwatch_and_asked_for_by_the_engine(
    settings: Settings, tmp_path: Path
) -> None:
    recovery = tmp_path / "recovery"
    with Job(tmp_path, settings, [*ENGINE, "-r", str(recovery)]) as job:
        job.start()
        assert job.wait() == 2, job.output()
        assert re.search(r"expected part-\*.sqlite3 files, found none; make it with `python -m", error_of(job))
    with Job(_folder(tmp_path / "dbwatch"), settings, [*DBWATCH, "run", "-r", str(recovery)]) as job:
        job.start()
        wait_until(lambda: job.begun, 30)
        assert job.stop() == 0, job.output()
    assert list(recovery.glob("part-*.sqlite3"))


def test_without_a_recovery_folder_it_says_what_a_restart_will_do(settings: Settings, tmp_path: Path) -> None:
    with Job(tmp_path, settings, ENGINE) as job:
        job.start()
        wait_until(lambda: job.begun, 30)
        assert job.stop() == 0, job.output()
        assert "a restart will read a snapshot again" in job.output()


def test_verbose_shows_where_an_error_comes_from(settings: Settings, tmp_path: Path) -> None:
    settings["DBWATCH_STREAM_SHARDS"] = "several"
    with Job(tmp_path, settings, [*DBWATCH, "--verbose", "run", "-r", str(tmp_path / "recovery")]) as job:
        job.start()
        assert job.wait() == 2
        assert "Traceback" in job.output()
        assert "dbwatch: error: DBWATCH_STREAM_SHARDS" in job.output()


def test_a_process_of_a_cluster_that_was_given_other_views_ends_with_one_line(
    settings: Settings, tmp_path: Path
) -> None:
    command = [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-a", ";".join(free_addresses(2))]
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(Job(_folder(tmp_path / str(i)), settings, [*command, "-i", str(i)])) for i in range(2)
        )
        (second.folder / "dbwatch.toml").write_text(VIEWS.replace("year", "plot"))
        first.start()
        second.start()
        assert second.wait() == 2, second.output()
        *others, last = second.output().splitlines()
        assert re.search("^dbwatch: error: .*the views are not those with which this job began", last)
        # The engine says by itself that it tries again to reach a process that is not there yet.
        assert all(_is_log(line) or line.startswith("worker ") for line in others)


# --- while it runs, or is stopped ----------------------------------------------------------------------------------


def started(job: Job, settings: Settings) -> None:
    """Start the job and wait until it has written what was there."""
    job.start()
    wait_until(lambda: rows(settings) >= len(COLLECTIONS), 30, what="the rows of the snapshot")


def rows(settings: Settings) -> int:
    return len(read_feed(settings["REDIS_URL"], [f"{settings['DBWATCH_PREFIX']}:changes"]))


def engine(folder: Path) -> list[str]:
    """As few options as it can have."""
    recovery = _folder(folder / "recovery")
    init_db_dir(recovery, 2)
    return [*ENGINE, "-r", str(recovery)]


def test_a_redis_that_lost_its_data_while_the_job_was_stopped_is_noticed(settings: Settings, tmp_path: Path) -> None:
    with Job(tmp_path, settings, engine(tmp_path)) as job, Redis.from_url(settings["REDIS_URL"]) as client:
        started(job, settings)
        assert job.stop() == 0, job.output()
        prefix = settings["DBWATCH_PREFIX"]
        kept = client.hgetall(f"{prefix}:job")
        client.delete(f"{prefix}:job", f"{prefix}:changes")
        job.log.unlink()
        job.start()
        assert job.wait() == 2
        assert re.search("holds the state of a job that .*:job in Redis does not know", error_of(job))
        client.hset(f"{prefix}:job", mapping=kept)  # pyright: ignore[reportArgumentType]
        job.log.unlink()
        job.start()
        assert job.wait() == 2
        assert re.search(":changes ends at 0-0, before .*Redis lost entries", error_of(job))


def test_a_redis_that_loses_its_data_while_the_job_runs_stops_it(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path, start_redis: StartRedis
) -> None:
    server = start_redis(extra_args=("--appendonly", "no"))
    settings["REDIS_URL"] = server.uri
    with Job(tmp_path, settings, engine(tmp_path)) as job:
        started(job, settings)
        wait_until(lambda: open_store(tmp_path / "recovery", flow_id="watch").has_state, what="a checkpoint")
        server.kill()
        server.start()
        mongo[settings["MONGO_DB"]]["movies"].insert_one({"_id": 2})
        assert job.wait() == 2, job.output()
        assert re.search("does not know: Redis lost its data", error_of(job))


def test_a_mongodb_that_is_started_again_is_followed_on(
    settings: Settings, tmp_path: Path, start_mongod: StartMongod
) -> None:
    server = start_mongod()
    settings["MONGO_URI"] = server.uri
    with MongoClient[Document](server.uri) as client, Job(tmp_path, settings, engine(tmp_path)) as job:
        films = client[settings["MONGO_DB"]]
        for name in COLLECTIONS:
            films[name].insert_one({"_id": 1})
        started(job, settings)
        server.stop()
        server.start()
        films["movies"].insert_one({"_id": 2})
        wait_until(lambda: rows(settings) == len(COLLECTIONS) + 1, 30, what="what was written after the restart")
        assert job.stop() == 0, job.output()


def test_the_first_signal_ends_it_in_order_and_a_second_at_once(
    mongo: MongoClient[Document], settings: Settings, tmp_path: Path, start_redis: StartRedis
) -> None:
    server = start_redis()
    settings["REDIS_URL"] = server.uri
    with Job(tmp_path, settings, engine(tmp_path)) as job, ExitStack() as stack:
        started(job, settings)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)  # whoever writes now waits for an answer
        stack.callback(os.kill, server.pid, signal.SIGCONT)
        mongo[settings["MONGO_DB"]]["movies"].insert_one({"_id": 2})
        job.send(signal.SIGINT)
        wait_until(lambda: '"job.stopping"' in job.output())
        assert job.stop(signal.SIGINT, timeout_s=10) == 128 + signal.SIGINT
