"""What a monitor sees of a real job: metrics that move, and readiness that follows the servers."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient

from connectors.redis_client import connect
from connectors.settings import Keys
from tests.acceptance.processes import DBWATCH, ENGINE, Job, free_addresses
from tests.conftest import StartMongod, StartRedis, wait_until
from tests.ports import free_ports

Mongo = MongoClient[dict[str, Any]]


class Monitor:
    """Asks one process of a job."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 when nobody listens."""
        connection = http.client.HTTPConnection(self._address, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as exc:
            return 0, str(exc)
        finally:
            connection.close()

    def value(self, name: str, **labels: str) -> float | None:
        for family in text_string_to_metric_families(self.ask("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    @property
    def ready(self) -> bool:
        return self.ask("/readyz")[0] == 200


@pytest.fixture
def database(mongo: Mongo, mongo_db: str) -> Any:
    for name in ("movies", "users", "comments"):
        mongo[mongo_db].create_collection(name, changeStreamPreAndPostImages={"enabled": True})
    mongo[mongo_db].movies.insert_one({"_id": 1, "title": "Heat"})
    return mongo[mongo_db]


@pytest.fixture
def settings(settings: dict[str, str], database: Any) -> dict[str, str]:
    return settings | {"MONGO_DB": database.name}


@pytest.fixture
def address() -> str:
    return free_addresses(1)[0]


@pytest.fixture
def taken() -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def run(folder: Path, *options: str) -> list[str]:
    return [*DBWATCH, "run", "-r", str(folder / "recovery"), "-s", "1", *options]


def told(settings: dict[str, str]) -> str:
    """What the job last said in P:health."""
    with connect(settings["REDIS_URL"]) as client:
        return str(client.hget(Keys(settings["DBWATCH_PREFIX"]).health, "0"))


def test_a_job_tells_what_it_does_and_only_on_the_loopback_address(
    database: Any, settings: dict[str, str], address: str, tmp_path: Path
) -> None:
    monitor = Monitor(address)
    with Job(tmp_path, settings | {"DBWATCH_METRICS": address}, run(tmp_path)) as job:
        job.start()
        wait_until(lambda: monitor.ready, 30, what="readiness")
        wait_until(lambda: monitor.value("dbwatch_records_written_total", view="movies", op="r") == 1)
        database.comments.insert_many([{"_id": i, "movie_id": 1} for i in range(5)])
        wait_until(lambda: monitor.value("dbwatch_records_written_total", view="comments", op="c") == 5)
        database.movies.update_one({"_id": 1}, {"$set": {"title": "Alien"}})
        wait_until(lambda: monitor.value("dbwatch_records_written_total", view="comments", op="caused"))
        wait_until(lambda: monitor.value("dbwatch_oplog_headroom_seconds") is not None, what="the headroom")
        wait_until(lambda: monitor.value("dbwatch_epoch_seconds"), what="two recovery snapshots")
        assert (monitor.value("dbwatch_join_state_entries", stage="rows") or 0) >= 5
        assert (monitor.value("dbwatch_write_latency_seconds_count") or 0) >= 6
        assert (monitor.value("dbwatch_redis_call_seconds_count") or 0) >= 2
        assert (monitor.value("dbwatch_changes_read_total", partition="tail-0") or 0) >= 7
        wait_until(lambda: monitor.value("dbwatch_lag_seconds", partition="tail-0") == 0)
        assert monitor.value("dbwatch_join_pending", stage="rows") == 0
        assert monitor.value("dbwatch_held") == 0
        assert monitor.value("dbwatch_writer") == 1
        assert monitor.ask("/healthz") == (200, "ok\n")
        assert monitor.ask("/")[0] == 404
        listening = [c.laddr.ip for c in psutil.Process(job.pid).net_connections("tcp") if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        assert job.stop() == 0


def test_a_redis_that_is_away_shows_until_it_is_back(
    database: Any, settings: dict[str, str], address: str, start_redis: StartRedis, tmp_path: Path
) -> None:
    folder = tmp_path / "redis"
    server = start_redis(folder=folder, extra_args=["--appendonly", "yes", "--appendfsync", "always"])
    settings |= {"REDIS_URL": server.uri, "DBWATCH_METRICS": address}
    monitor = Monitor(address)
    with Job(tmp_path, settings, [*ENGINE, *_store(tmp_path)]) as job:
        job.start()
        wait_until(lambda: monitor.ready, 30, what="readiness")
        server.stop()
        database.movies.insert_one({"_id": 2})
        wait_until(lambda: monitor.value("dbwatch_held") == 1, what="the gauge of a flow that is held back")
        status, reason = monitor.ask("/readyz")
        assert (status, reason.startswith("Redis has not taken writes for")) == (503, True)
        assert monitor.ask("/healthz")[0] == 200
        wait_until(lambda: (monitor.value("dbwatch_retries_total", edge="sink") or 0) > 1)
        server.start()
        wait_until(lambda: monitor.ready, 30, what="readiness")
        wait_until(lambda: monitor.value("dbwatch_records_written_total", view="movies", op="c") == 1)
        assert monitor.value("dbwatch_held") == 0
        assert monitor.value("dbwatch_held_seconds") is None


def test_a_database_that_is_away_shows_until_it_is_back(
    settings: dict[str, str], address: str, start_mongod: StartMongod, tmp_path: Path
) -> None:
    folder = tmp_path / "mongod"
    folder.mkdir()
    server = start_mongod(folder=folder)
    settings |= {"MONGO_URI": server.uri, "DBWATCH_METRICS": address}
    monitor = Monitor(address)
    with Mongo(server.uri) as mongo:
        for name in ("movies", "users", "comments"):
            mongo[settings["MONGO_DB"]].create_collection(name)
    with Job(tmp_path, settings, run(tmp_path)) as job:
        job.start()
        wait_until(lambda: monitor.ready, 30, what="readiness")
        server.stop()
        wait_until(lambda: "source_away_reason" in told(settings), 15, what="what the dashboard tells of it")
        wait_until(lambda: "MongoDB does not answer" in monitor.ask("/readyz")[1], 20, what="the reason")
        assert monitor.value("dbwatch_answers", server="mongodb") == 0
        assert monitor.ask("/healthz")[0] == 200
        server.start()
        wait_until(lambda: monitor.ready, 40, what="readiness")
        assert monitor.value("dbwatch_answers", server="mongodb") == 1
        wait_until(lambda: "source_away_reason" not in told(settings), 15, what="the end of it")
        assert '"snapshot_age_s":null' not in told(settings)


def test_an_address_that_was_asked_for_and_is_taken_ends_the_start_with_one_line(
    settings: dict[str, str], taken: str, tmp_path: Path
) -> None:
    with Job(tmp_path, settings | {"DBWATCH_METRICS": taken}, run(tmp_path)) as job:
        job.start()
        assert job.wait() == 2
        assert f"dbwatch: error: DBWATCH_METRICS: cannot listen on {taken}" in job.output().splitlines()[-1]


def test_each_process_of_a_cluster_has_a_port_of_its_own(
    settings: dict[str, str], tmp_path: Path, first_of_two_ports: int
) -> None:
    settings |= {
        "DBWATCH_MONGO_PARTITIONS": "2",
        "DBWATCH_STREAM_SHARDS": "2",
        "DBWATCH_METRICS": f"127.0.0.1:{first_of_two_ports}",
    }
    addresses = ";".join(free_addresses(2))
    monitors = [Monitor(f"127.0.0.1:{first_of_two_ports + i}") for i in (0, 1)]
    with ExitStack() as stack:
        for i in (0, 1):
            folder = tmp_path / str(i)
            folder.mkdir()
            command = [*DBWATCH, "run", "-r", str(tmp_path / "recovery"), "-a", addresses, "-i", str(i)]
            stack.enter_context(Job(folder, settings, command)).start()
        wait_until(lambda: all(monitor.ready for monitor in monitors), 40, what="readiness of both")
        told = [
            {name for name in ("tail-0", "tail-1") if monitor.value("dbwatch_lag_seconds", partition=name) is not None}
            for monitor in monitors
        ]
        assert sorted(map(len, told)) == [1, 1]
        assert told[0] != told[1]


@pytest.fixture
def first_of_two_ports() -> int:
    return free_ports(2, in_a_row=True)[0]


def _store(folder: Path) -> list[str]:
    from bytewax.recovery import init_db_dir  # pyright: ignore[reportUnknownVariableType]

    recovery = folder / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 4)
    return ["-r", str(recovery), "-s", "1", "-b", "0"]


def test_the_engines_own_page_has_our_metrics_too(settings: dict[str, str], tmp_path: Path) -> None:
    (address,) = free_addresses(1)
    engine = Monitor(address)
    settings |= {
        "BYTEWAX_DATAFLOW_API_ENABLED": "1",
        "BYTEWAX_DATAFLOW_API_PORT": address.rpartition(":")[2],
        "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(tmp_path),
    }
    with Job(tmp_path, settings, [*ENGINE, *_store(tmp_path)]) as job:
        job.start()
        wait_until(lambda: engine.ask("/metrics")[0] == 200, 30)
        wait_until(lambda: engine.value("dbwatch_state", state="tail") == 1, 30)
        assert "item_out_count_total" in engine.ask("/metrics")[1]
