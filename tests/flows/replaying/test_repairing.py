"""When a replay may write into the live stream, and what the job's next start then knows, on a real Redis."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import ConfigError
from connectors.once import Mark
from connectors.records import Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys, Settings
from connectors.writer import acquire
from flows.generations import Reread
from flows.job import made_with
from flows.replaying.repairing import ask_for_reading, check_repairable, floors_of
from flows.views import parse_views
from tests.connectors.archive.past import chapter_of

VIEWS = parse_views({"views": {"films": {}}})
CHAPTER = chapter_of()._replace(generation=2)


class World:
    def __init__(self, client: Redis, settings: Settings) -> None:
        self.client, self.settings = client, settings

    def knows(self, **fields: str) -> None:
        self.client.hset(self.settings.keys.job, mapping={**made_with(self.settings, VIEWS), **fields})

    def check(self, *, from_snapshot: bool = True) -> None:
        check_repairable(self.client, self.settings, VIEWS, CHAPTER, from_snapshot=from_snapshot)


@pytest.fixture
def world(redis_url: str, prefix: str) -> Generator[World]:
    with connect(redis_url) as client:
        yield World(client, Settings(redis_url=redis_url, prefix=prefix))


def test_an_empty_stream_is_written_anew_from_wherever(world: World) -> None:
    world.check()
    world.check(from_snapshot=False)


def test_a_stream_with_records_needs_a_snapshot_of_the_job_that_wrote_them(world: World) -> None:
    world.client.xadd(world.settings.keys.changes[0], {"view": "films"})
    with pytest.raises(ConfigError, match="does not name the job"):
        world.check()
    world.knows(job_id="job", generation="1")
    with pytest.raises(ConfigError, match="does not name the job"):
        world.check()
    world.knows(generation="2")
    world.check()
    with pytest.raises(ConfigError, match="begin with a snapshot of the job"):
        world.check(from_snapshot=False)


def reaching(position: str, row: str) -> Any:
    return Record("films", "u", "a", 1, position, Versions(row, {}), after="{}", changed=()).to_fields()


def test_a_stream_that_was_trimmed_beyond_the_snapshot_has_a_floor(world: World) -> None:
    keys = Keys(world.settings.prefix, shards=2)
    stream, other = keys.changes

    def floors(mark: str, seen: str, *, feed: str = "") -> dict[str, str]:
        marks = {"0": Mark(mark, seen, anchored=True, feed=feed), "1": Mark.at("0-0")}
        return floors_of(world.client, keys, marks)

    assert floors("3-0", "5-0") == {stream: "", other: ""}, "all of an empty one is written"
    for at, reach in ((4, "b"), (5, "a"), (6, "c"), (7, "d")):
        world.client.xadd(stream, reaching("9" if reach == "b" else reach, reach), id=f"{at}-0")
    assert floors("4-0", "6-0") == {}, "what the job would take back, no more"
    assert floors("3-0", "6-0") == {stream: "a"}
    world.client.xdel(stream, "5-0")
    assert floors("5-0", "7-0") == {}, "a hole is to be filled"
    assert floors("3-0", "7-0", feed="replay:other") == {stream: ""}
    assert floors_of(world.client, keys, {}) == {stream: "", other: ""}
    with pytest.raises(ConfigError, match=r"ends before 8-0, .*begin with an older snapshot"):
        floors("5-0", "8-0")


def test_the_jobs_settings_must_be_those_of_the_replay(world: World) -> None:
    world.knows(job_id="job", mongo_db="other")
    with pytest.raises(ConfigError, match="MONGO_DB: expected 'other'"):
        world.check()


@pytest.mark.parametrize("known", [{}, {"job_id": "job", "generation": "2", "mark:s": "1-0"}])
def test_the_jobs_next_start_reads_again_where_the_replay_ended(world: World, known: dict[str, str]) -> None:
    if known:
        world.knows(**known)
    lease = acquire(world.client, world.settings.keys.job, ending=Ending())
    for _ in range(2):  # cut off after it asked, it asks again
        ask_for_reading(world.client, lease, world.settings, VIEWS, CHAPTER, cut="0000000500000000")
    found: Any = world.client.hgetall(world.settings.keys.job)
    assert (found["job_id"], found["generation"], found["asked"]) == ("job", "3", "1")
    assert found["snapshot_position"] == "0000000500000000"
    assert Reread.from_json(found["reread"]).position == "0000000500000000"
    assert "mark:s" not in found
