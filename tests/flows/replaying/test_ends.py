"""Where a replay ends that ends with a snapshot of a job, and whether the job's feed ends there, on a real Redis."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import bson
import pytest
from redis import Redis
from structlog.testing import capture_logs

from connectors.archive.replay_state import Floor, former_of
from connectors.archive.source import Archived
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState
from connectors.once import Mark
from connectors.redis_client import connect
from connectors.settings import Keys
from flows.replaying.ends import Ends, check_feed_ends, ends_of

FOLDER = Path("snapshots/before")
READ = "6ab0a00000000001"
TOKEN = "826AB0A00000000007290004"


def state(position: str, token: str = TOKEN, *, former: tuple[str, ...] = ()) -> SourceState:
    return SourceState(READ, 2, position=position, token=bson.encode({"_data": token}), former=former)


def archived(position: str = READ, seq: int = 3, *, chapter: str = "c") -> Archived:
    return Archived(state(position), chapter, seq)


def test_each_partition_ends_where_it_stood() -> None:
    found = ends_of(FOLDER, "job", {"tail-10": archived("6ab0a00000000009", 4), "tail-9": archived(seq=7)}, {})
    assert [(floor.partition, floor.seq) for floor in found.floors] == [(9, 7), (10, 4)]
    assert (found.chapter, found.position) == ("c", "6ab0a00000000009")


def test_the_places_of_partitions_are_those_of_their_streams_or_of_the_first_reading() -> None:
    read_only = SourceState(READ, 2, position=READ, done=("films",))
    assert former_of([Floor(1, 1, state(READ)), Floor(0, 1, read_only)]) == (f"82{READ.upper()}FF", TOKEN)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({"tail-0": state(READ)}, "kept no archive then"),
        ({"tail-0": Archived(5, "c", 1)}, "kept no archive then"),
        ({"tail-0": archived(), "tail-1": archived(chapter="d")}, "began a chapter of its archive"),
        ({"tail-0": Archived(state(READ, former=(TOKEN,)), "c", 1)}, "began to read on after a replay"),
    ],
)
def test_a_snapshot_that_does_not_say_where_is_refused(states: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ends_of(FOLDER, "job", states, {})


class World:
    """Two streams of a job, and a snapshot of it."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self.client, self.keys = client, keys
        client.hset(keys.job, "job_id", "job")
        self.ids = [str(client.xadd(stream, {"view": "films"})) for stream in replace(keys, shards=2).changes]

    def check(self, *marks: Mark, job_id: str = "job") -> None:
        found = ends_of(FOLDER, job_id, {"tail-0": archived()}, {str(n): mark for n, mark in enumerate(marks)})
        assert isinstance(found, Ends)
        check_feed_ends(self.client, self.keys, found)


@pytest.fixture
def world(redis_url: str, prefix: str) -> Generator[World]:
    with connect(redis_url) as client:
        yield World(client, Keys(prefix))


def test_a_feed_that_ends_with_the_snapshot_is_taken_also_when_it_was_trimmed(world: World) -> None:
    world.check(*map(Mark.at, world.ids))
    world.client.xtrim(f"{world.keys.prefix}:changes:1", maxlen=0, approximate=False)
    world.check(*map(Mark.at, world.ids))


def test_a_feed_that_goes_on_after_the_snapshot_is_refused(world: World) -> None:
    stream = f"{world.keys.prefix}:changes:1"
    world.client.xadd(stream, {"view": "films"})
    with pytest.raises(ConfigError, match=f"{stream} goes on after it .* stop it in order"):
        world.check(*map(Mark.at, world.ids))


def test_a_feed_of_which_the_state_lacks_what_a_crash_left_there_is_refused(world: World) -> None:
    marks = [Mark.at(entry_id) for entry_id in world.ids]
    marks[0] = marks[0]._replace(unreached=frozenset({("films", "1")}))
    with pytest.raises(ConfigError, match="goes on after it"):
        world.check(*marks)


def test_of_another_jobs_feed_nothing_is_asked_and_the_log_says_so(world: World) -> None:
    with capture_logs() as logs:
        world.check(Mark.at("1-1"), job_id="another")
    assert [(entry["event"], entry["prefix"]) for entry in logs] == [("replay.feed_unchecked", world.keys.prefix)]
