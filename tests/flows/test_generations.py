"""When a job reads the collections again, and when a person must look."""

from __future__ import annotations

import pytest

from connectors.errors import (
    BadRecord,
    ClockSetBack,
    CollectionRemoved,
    ConfigError,
    DBWatchError,
    HistoryLost,
    LockLost,
    SnapshotLost,
    StreamLost,
    TailLost,
)
from flows.generations import (
    MOST_ATTEMPTS,
    Reread,
    following,
    goes_on_after,
    reached_by,
    reread_after,
    runs_again_after,
)
from flows.policies import Policies

WILLING = Policies("resnapshot", "repair")
DROPPED = CollectionRemoved("dropped", position="p5", removed=frozenset({"b", "a"}))
FORGOTTEN = HistoryLost("forgotten", since="p1", until="p2")


@pytest.mark.parametrize(
    ("error", "policies", "reread"),
    [
        (DROPPED, Policies(), Reread("collection_removed", "dropped", "p5", ("a", "b"))),
        (SnapshotLost("altered"), Policies(), Reread("snapshot_lost", "altered")),
        (FORGOTTEN, Policies(), None),
        (FORGOTTEN, WILLING, Reread("history_lost", "forgotten", since="p1", until="p2")),
        (StreamLost("gone"), Policies(), None),
        (StreamLost("gone"), WILLING, Reread("stream_lost", "gone", "p9")),
        (TailLost("gone"), WILLING, None),
        (LockLost("gone"), WILLING, Reread("stream_lost", "gone", "p9")),
        (BadRecord("bad"), WILLING, None),
        (ConfigError("wrong"), WILLING, None),
    ],
)
def test_what_is_read_again_depends_on_the_error_and_what_was_said_of_it(
    error: DBWatchError, policies: Policies, reread: Reread | None
) -> None:
    assert reread_after(error, policies, "p9") == reread


def test_what_the_stream_lost_since_the_last_checkpoint_comes_from_another_run() -> None:
    for policies in (WILLING, Policies()):
        assert runs_again_after(TailLost("gone"), policies)
        assert not runs_again_after(StreamLost("gone"), policies)
    assert runs_again_after(LockLost("gone"), Policies()), "the next run finds out what else was lost, and stops"
    assert not runs_again_after(LockLost("gone"), WILLING), "it is read again from where this run had come"
    assert runs_again_after(ClockSetBack("by an hour"), Policies())


@pytest.mark.parametrize(
    ("kind", "stays", "willing"),
    [
        (CollectionRemoved, True, True),
        (SnapshotLost, True, True),
        (ClockSetBack, True, True),
        (TailLost, True, True),
        (LockLost, True, True),
        (HistoryLost, False, True),
        (StreamLost, False, True),
        (BadRecord, False, False),
    ],
)
def test_a_process_of_a_cluster_goes_on_when_the_one_that_met_the_error_does(
    kind: type[DBWatchError], stays: bool, willing: bool
) -> None:
    assert goes_on_after(kind.__name__, Policies()) == stays
    assert goes_on_after(kind.__name__, WILLING) == willing


def test_a_reading_survives_its_way_through_redis() -> None:
    reread = Reread("history_lost", "forgotten", "p3", ("a",), "p1", "p2", 4)
    assert Reread.from_json(reread.to_json()) == reread


def test_readings_that_never_end_are_counted_and_then_a_person_must_look() -> None:
    reread = Reread("snapshot_lost", "altered", since="p4")
    assert following(reread, None) == reread
    last = reread._replace(since="p1")
    for attempt in range(2, MOST_ATTEMPTS + 1):
        last = following(reread, last)
        assert (last.attempt, last.since) == (attempt, "p1"), "changes lack records since the first of them"
    with pytest.raises(ConfigError, match=r"none of the readings came to its end.*altered"):
        following(reread, last)


def test_how_far_a_run_had_come_is_known_when_all_its_partitions_are() -> None:
    assert reached_by(["p1", "p3"], 2) == "p3"
    assert reached_by(["p1"], 2) == ""
