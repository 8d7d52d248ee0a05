"""A replay as the engine runs it: partitions that wait, several workers, restarts, and the state that it leaves."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from connectors.archive import replay_reading
from connectors.archive.moment import Moment
from connectors.archive.source import Archived
from connectors.mongo_state import SourceState
from flows.store_states import source_states
from tests.flows.histories import random_history
from tests.flows.replays import LAST, LiveJob, Replay, placed
from tests.flows.test_replay_promises import last, own


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveJob:
    """It has ended, with two partitions."""
    monkeypatch.setattr(replay_reading, "_ALIVE_MS", 0)
    monkeypatch.setattr(replay_reading, "_MOST_CHANGES", 5)
    rnd = random.Random(7)
    job = LiveJob(tmp_path, rnd, placed(random_history(rnd, length=40).changes), 2)
    job.run(crashes=1)
    return job


def test_it_ends_at_its_moment_with_the_state_that_a_job_goes_on_with(job: LiveJob, tmp_path: Path) -> None:
    third = job.changes[3 * 4]
    replay = Replay(job, tmp_path / "replay", None, until=Moment.at(third.ts_ms), partitions=3)
    replay.run(aborts=2)
    source = replay.run(workers=2)
    wanted = [change.position for change in job.changes if change.position <= third.position]
    assert sorted(record.position for record in replay.feed.records if record.cause is None) == wanted
    assert source.handover is not None
    assert source.handover.cut == third.position
    state = SourceState(third.position, 3, position=third.position, done=("movies", "users", "comments"))
    assert source_states(replay.folder) == {"tail-0": state, "tail-1": state, "tail-2": state}
    before = list(replay.feed.records)
    assert replay.run().handover == source.handover
    assert replay.feed.records == before


def test_the_partitions_of_a_snapshot_stay_and_what_came_after_it_comes(job: LiveJob, tmp_path: Path) -> None:
    replay = Replay(job, tmp_path / "replay", job.snapshots[0], until=LAST, partitions=1)
    before = {(c.collection, c.key, c.position) for c in job.emitted_until(replay.emitted_before)}
    replay.run()
    assert set(source_states(replay.folder)) >= {"tail-0"}
    live = [r for r in job.feed.records if (r.view, r.key, r.position) not in before]
    assert own(replay.feed.records) == own(live)
    ends, found = last(job.feed.records), last(replay.feed.records)
    assert {key: ends[key] for key in found} == found


@pytest.mark.parametrize(("begins_with", "ends_with"), [(None, 0), (0, 1)])
def test_up_to_a_snapshot_it_gives_what_each_partition_had_emitted_and_leaves_where_they_were(
    job: LiveJob, tmp_path: Path, begins_with: int | None, ends_with: int
) -> None:
    first, end = (None if begins_with is None else job.snapshots[begins_with]), job.snapshots[ends_with]
    replay = Replay(job, tmp_path / "replay", first, until=LAST, partitions=3, until_snapshot=end)
    replay.run(aborts=1)
    handover = replay.run().handover
    until = {name: state.inner for name, state in source_states(end).items() if isinstance(state, Archived)}
    wanted = {c.position for c in job.emitted_until(until)} - {
        c.position for c in job.emitted_until(replay.emitted_before)
    }
    assert wanted
    assert sorted(record.position for record in replay.feed.records if record.cause is None) == sorted(wanted)
    assert handover is not None
    assert len(handover.former) == job.partitions
    assert source_states(replay.folder) == {f"tail-{number}": handover.state for number in range(3)}
    assert replay.run().handover == handover, "also when it was cut off before it could say that it had ended"
    assert source_states(replay.folder)["tail-2"] == handover.state
