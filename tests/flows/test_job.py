"""What a job remembers before it emits anything, on a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import ConfigError, Fenced, StreamLost
from connectors.redis_client import connect
from connectors.settings import Settings
from connectors.writer import acquire
from flows.job import Job, begin, joined
from flows.launch import Launch
from flows.recovery import Store, open_store
from flows.views import Views, parse_views
from tests.flows.test_recovery import make_store

VIEWS = parse_views({"views": {"movies": {}}})
OTHER_VIEWS = parse_views({"views": {"movies": {"mask": ["plot"]}}})


class World:
    """One job's settings, Redis and recovery folder; positions are counted up, so that a new one is seen."""

    def __init__(self, client: Redis, settings: Settings, folder: Path) -> None:
        self.client = client
        self.settings = settings
        self.folder = folder
        self.reads = 0

    def position(self) -> str:
        self.reads += 1
        return f"position-{self.reads}"

    def begin(self, *, has_state: bool = False, views: Views = VIEWS, **changed: Any) -> Job:
        """As a process does that finds the store as it is, with or without state."""
        store = open_store(self.folder, flow_id="watch")._replace(has_state=has_state)
        return self.begin_with(store, views, **changed)

    def begin_with(self, store: Store | None, views: Views = VIEWS, **changed: Any) -> Job:
        """As one process after the other: each finds that the one before is gone."""
        lease = acquire(self.client, self.settings.keys.job, ending=Ending())
        return begin(self.client, replace(self.settings, **changed), views, Launch(), store, self.position, lease=lease)

    def write(self) -> str:
        return str(self.client.xadd(self.settings.keys.changes[0], {"view": "movies"}))


@pytest.fixture
def world(redis_url: str, prefix: str, tmp_path: Path) -> Generator[World]:
    make_store(tmp_path)
    with connect(redis_url) as client:
        yield World(client, Settings(redis_url=redis_url, prefix=prefix), tmp_path)


def test_a_new_job_stores_where_it_begins_before_anything_is_emitted(world: World) -> None:
    last_id = world.write()
    job = world.begin()
    known: Any = world.client.hgetall(world.settings.keys.job)
    assert job.first_marks == {world.settings.keys.changes[0]: last_id}
    assert (known["job_id"], known["snapshot_position"]) == (job.job_id, "position-1")
    assert int(known["started_ms"]) > 0
    assert open_store(world.folder, flow_id="watch").job_id == job.job_id


def test_a_job_killed_before_its_first_checkpoint_begins_at_the_same_point(world: World) -> None:
    first = world.begin()
    world.write()
    again = world.begin()
    assert again == first._replace(run_id=again.run_id)
    assert again.run_id != first.run_id
    assert world.reads == 1


def test_a_job_with_a_checkpoint_goes_on(world: World) -> None:
    first = world.begin()
    assert world.begin(has_state=True).job_id == first.job_id


def test_another_recovery_folder_is_another_job_which_leaves_out_what_the_stream_holds(
    world: World, tmp_path: Path
) -> None:
    first = world.begin()
    last_id = world.write()
    world.folder = tmp_path / "another"
    make_store(world.folder)
    second = world.begin()
    assert second.job_id != first.job_id
    assert second.snapshot_position == "position-2"
    assert second.first_marks == {world.settings.keys.changes[0]: last_id}


def test_without_a_recovery_store_every_start_is_a_new_job(world: World) -> None:
    assert world.begin_with(None).job_id != world.begin_with(None).job_id


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mongo_partitions": 2}, "DBWATCH_MONGO_PARTITIONS: expected '1', with which this job began, found '2'"),
        ({"stream_shards": 2}, "DBWATCH_STREAM_SHARDS: expected '1'"),
        ({"mongo_db": "another"}, "MONGO_DB: expected 'sample_mflix'"),
        ({"views": OTHER_VIEWS}, "the views are not those with which this job began"),
    ],
)
@pytest.mark.parametrize("has_state", [False, True])
def test_what_decides_where_rows_go_must_stay_as_it_was(
    world: World, changed: dict[str, Any], said: str, *, has_state: bool
) -> None:
    before = world.begin()
    with pytest.raises(ConfigError, match=said):
        world.begin(has_state=has_state, **changed)
    assert world.begin(has_state=has_state).job_id == before.job_id


def test_the_bound_of_the_streams_may_change(world: World) -> None:
    first = world.begin()
    assert world.begin(has_state=True, stream_maxlen=5).job_id == first.job_id


def forget(world: World) -> None:
    world.client.delete(world.settings.keys.job)


def begin_another(world: World) -> None:
    world.begin_with(None)


@pytest.mark.parametrize("lose", [forget, begin_another])
def test_state_of_a_job_that_redis_does_not_know_is_not_gone_on_with(
    world: World, lose: Callable[[World], None]
) -> None:
    world.begin()
    lose(world)
    with pytest.raises(StreamLost, match=r"in Redis does not know.*name a new recovery folder"):
        world.begin(has_state=True)


def test_figures_of_an_earlier_run_are_not_taken_for_those_of_this_one(world: World) -> None:
    world.client.hset(world.settings.keys.health, "0", "{}")
    world.begin()
    assert not world.client.exists(world.settings.keys.health)


def test_the_other_processes_of_a_cluster_learn_what_the_first_decided(world: World) -> None:
    first = world.begin()
    job, lease = joined(world.client, world.settings, VIEWS)
    assert job == first
    lease.renew()
    assert not lease.leads
    with pytest.raises(ConfigError, match="the views are not those"):
        joined(world.client, world.settings, OTHER_VIEWS)


def test_a_process_that_lost_the_lock_meanwhile_begins_nothing(world: World) -> None:
    held_up = acquire(world.client, world.settings.keys.job, ending=Ending())
    first = world.begin()
    with pytest.raises(Fenced, match="another job has taken over"):
        begin(world.client, world.settings, VIEWS, Launch(), None, world.position, lease=held_up)
    known: Any = world.client.hgetall(world.settings.keys.job)
    assert (known["job_id"], known["writer"]) == (first.job_id, first.run_id)
