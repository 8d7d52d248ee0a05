"""What a job remembers before it emits anything, on a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from connectors.ending import Ending
from connectors.errors import ConfigError, Fenced, StreamLost
from connectors.redis_client import connect
from connectors.settings import Settings
from connectors.writer import acquire
from flows.generations import Reread, request_generation
from flows.job import Job, SourceTimes, begin, finished_gate, joined, made_with
from flows.launch import Launch
from flows.policies import Policies
from flows.recovery import Store, label_store, open_store
from flows.replaying.note import Note, write_note
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
        self.readable = True
        self.policies = Policies()

    @property
    def times(self) -> SourceTimes:
        return SourceTimes(self.position, self.position, self._is_readable)

    def _is_readable(self, position: str, apart_from: Collection[str]) -> bool:
        return self.readable

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
        settings = replace(self.settings, **changed)
        return begin(self.client, settings, views, Launch(), store, self.times, self.policies, lease=lease)

    def request(self, reread: Reread, after: Job) -> None:
        request_generation(self.client, self.settings.keys, after.generation, reread)

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


def test_what_processes_of_this_run_have_told_outlives_its_beginning_a_former_runs_does_not(
    world: World,
) -> None:
    key = world.settings.keys.job
    lease = acquire(world.client, key, ending=Ending())
    ours = f"process:{lease.fence.token}:0"
    world.client.hset(key, mapping={ours: "told", "process:former:1": "told"})
    begin(world.client, world.settings, VIEWS, Launch(), None, world.times, world.policies, lease=lease)
    known: Any = world.client.hgetall(key)
    assert [name for name in known if name.startswith("process:")] == [ours]


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
    with capture_logs() as logged:
        second = world.begin()
    assert second.job_id != first.job_id
    assert [(line["log_level"], line["event"]) for line in logged][1:] == [  # after it has taken over the lock
        ("info", "job.begun"),
        ("warning", "job.leaves_former"),
    ]
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
        begin(world.client, world.settings, VIEWS, Launch(), None, world.times, world.policies, lease=held_up)
    known: Any = world.client.hgetall(world.settings.keys.job)
    assert (known["job_id"], known["writer"]) == (first.job_id, first.run_id)


def test_a_generation_that_was_asked_for_begins_with_no_state_where_it_was_asked_to(world: World) -> None:
    first = world.begin()
    end = world.write()
    reread = Reread("collection_removed", "movies was dropped", "position-9", ("movies",))
    world.request(reread, first)
    store = open_store(world.folder, flow_id="watch")
    partitions = sorted(world.folder.glob("part-*"))
    partitions[0].unlink()  # the state is thrown away whole, whatever is left of it
    second = world.begin_with(store._replace(has_state=True))
    assert sorted(world.folder.glob("part-*")) != []
    assert not open_store(world.folder, flow_id="watch").has_state
    assert (second.job_id, second.generation) == (first.job_id, 2)
    assert (second.snapshot_position, second.reread) == ("position-9", reread)
    assert second.first_marks == {world.settings.keys.changes[0]: end}
    world.write()
    third = world.begin(has_state=True)
    assert third == second._replace(run_id=third.run_id), "a restart goes on with it"


def test_a_time_that_can_no_longer_be_read_is_now_and_says_since_when_changes_are_merged(world: World) -> None:
    first = world.begin()
    world.request(Reread("collection_removed", "dropped", "position-0", ("movies",)), first)
    world.readable = False
    second = world.begin(has_state=True)
    assert second.snapshot_position == "position-2"
    assert second.reread == Reread("collection_removed", "dropped", "position-0", (), since="position-0")


def test_a_generation_is_asked_for_once_however_many_processes_ask(world: World) -> None:
    first = world.begin()
    world.request(Reread("history_lost", "one"), first)
    world.request(Reread("history_lost", "two"), first)
    second = world.begin(has_state=True)
    assert second.generation == 2
    assert second.reread is not None
    assert second.reread.text == "one"


def test_a_reading_is_over_for_later_runs_once_all_partitions_have_arrived(world: World) -> None:
    first = world.begin()
    world.request(Reread("asked", ""), first)
    second = world.begin()
    gate = finished_gate(world.client, world.settings, second)
    assert not gate.is_open()
    gate.arrive("tail-0")
    assert gate.is_open()
    third = world.begin(has_state=True)
    assert (third.generation, third.reread) == (2, None)


def test_without_a_recovery_store_the_reading_that_was_asked_for_is_still_held_against_the_feed(world: World) -> None:
    first = world.begin_with(None)
    world.request(Reread("collection_removed", "dropped", "position-7"), first)
    second = world.begin_with(None)
    assert (second.job_id, second.generation, second.snapshot_position) == (first.job_id, 2, "position-7")
    assert world.begin_with(None).job_id != first.job_id


@pytest.mark.parametrize("lose", [forget, begin_another])
def test_a_redis_that_forgot_the_job_may_be_repaired(world: World, lose: Callable[[World], None]) -> None:
    first = world.begin()
    lose(world)
    world.policies = Policies(on_stream_lost="repair")
    second = world.begin(has_state=True)
    assert (second.job_id, second.generation) == (first.job_id, 2)
    assert second.reread is not None
    assert second.reread.reason == "stream_lost"


def test_a_redis_that_knows_an_earlier_generation_than_the_store_lost_data(world: World) -> None:
    first = world.begin()
    earlier: Any = world.client.hgetall(world.settings.keys.job)
    world.request(Reread("asked", ""), first)
    world.begin()
    world.client.hset(world.settings.keys.job, mapping=earlier)
    with pytest.raises(StreamLost, match="does not know"):
        world.begin(has_state=True)


def test_a_redis_that_forgot_the_generation_whose_reading_had_just_begun_lost_data(world: World) -> None:
    first = world.begin()
    earlier: Any = world.client.hgetall(world.settings.keys.job)
    world.request(Reread("asked", ""), first)
    world.begin()
    world.client.delete(world.settings.keys.job)
    world.client.hset(world.settings.keys.job, mapping=earlier)
    with pytest.raises(StreamLost, match="does not know: Redis lost its data"):
        world.begin(has_state=False)
    world.policies = Policies(on_stream_lost="repair")
    third = world.begin(has_state=False)
    assert (third.job_id, third.generation) == (first.job_id, 3)
    assert third.reread is not None


def test_a_generation_that_was_asked_for_begins_also_when_its_first_start_was_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.begin()
    world.request(Reread("asked", "because"), first)

    def cut_off(_store: Store, *, first: Callable[[], None]) -> Store:
        first()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("flows.job.empty_store", cut_off)
        with pytest.raises(KeyboardInterrupt):
            world.begin(has_state=True)
    second = world.begin(has_state=True)
    assert second.generation == 2
    assert second.reread == Reread("asked", "because")
    assert second.snapshot_position == f"position-{world.reads}"


def test_whoever_was_replaced_by_another_job_is_told_so(world: World) -> None:
    world.begin()
    world.begin_with(None)
    with pytest.raises(StreamLost, match="does not know: another job has begun there since"):
        world.begin(has_state=True)


def handed_over(world: World, *, cut: str = "0000000500000000", into: str = "") -> Note:
    """A replay's store, which has come to its end if there is a `cut`."""
    note = Note("mine", "replay-id", into, cut, made_with(world.settings, VIEWS))
    label_store(world.folder, job_id=note.replay_id, run_id="run")
    write_note(world.folder, note)
    return note


def test_a_job_goes_on_after_a_finished_replay_with_its_id_and_its_state(world: World) -> None:
    last_id = world.write()
    note = handed_over(world)
    job = world.begin(has_state=True)
    assert (job.job_id, job.snapshot_position, job.generation) == (note.replay_id, note.cut, 1)
    assert job.first_marks == {world.settings.keys.changes[0]: last_id}
    assert world.reads == 0
    world.write()
    again = world.begin(has_state=True)
    assert again == job._replace(run_id=again.run_id)


def test_killed_before_it_says_that_the_store_is_its_own_it_begins_likewise(world: World) -> None:
    note = handed_over(world)
    job = world.begin(has_state=True)
    write_note(world.folder, note)
    again = world.begin(has_state=True)
    assert again == job._replace(run_id=again.run_id)


def test_a_replay_that_has_not_ended_or_repaired_a_stream_is_not_handed_over(world: World) -> None:
    handed_over(world, cut="")
    with pytest.raises(ConfigError, match="let `dbwatch replay --name mine` go on"):
        world.begin(has_state=True)
    handed_over(world, into="changes")
    with pytest.raises(ConfigError, match="start the job with its own folder"):
        world.begin(has_state=True)


def test_under_the_prefix_of_another_job_or_with_other_views_it_is_refused(world: World, tmp_path: Path) -> None:
    handed_over(world)
    with pytest.raises(ConfigError, match="the views are not those"):
        world.begin(has_state=True, views=OTHER_VIEWS)
    own, world.folder = world.folder, tmp_path / "another"
    make_store(world.folder)
    other = world.begin()
    world.folder = own
    with pytest.raises(ConfigError, match="names another job already"):
        world.begin(has_state=True)
    known: Any = world.client.hgetall(world.settings.keys.job)
    assert known["job_id"] == other.job_id
