"""A job that goes on after another one, whose partitions had not come equally far, on a real server."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from connectors.archive.replay_state import Floor, Handover, former_of
from connectors.changes import Change
from connectors.mongo_events import place_position
from connectors.mongo_state import SourceState, partition_name
from tests.connectors.mongo_driving import Document, Driven, with_images

NAMES = ("films", "people")


@pytest.fixture
def db(mongo: MongoClient[Document], mongo_db: str) -> Database[Document]:
    db = mongo[mongo_db]
    with_images(db, *NAMES)
    return db


def write(db: Database[Document], count: int) -> None:
    """Changes of few rows, by fours in a transaction."""
    for number in range(count):
        with db.client.start_session() as session, session.start_transaction():
            for step in range(4):
                name, key = NAMES[step % 2], (number * 3 + step) % 17
                db[name].update_one({"_id": key}, {"$inc": {"n": 1}}, upsert=True, session=session)


def told(changes: Iterable[Change]) -> Counter[tuple[str, str, str]]:
    return Counter((change.collection, change.key, change.position) for change in changes)


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 2), (2, 4), (1, 3)])
def test_each_change_is_emitted_by_one_of_both_jobs_whatever_their_numbers_of_partitions(
    mongo_uri: str, db: Database[Document], before: int, after: int
) -> None:
    with Driven(mongo_uri, db.name, NAMES, partitions=before, max_batch=3) as job:
        job.until_tail()
        write(db, 40)
        for number, (name, part) in enumerate(job.parts.items()):
            while len(job.changes[name]) < 10 + 25 * number:
                job.changes[name] += [one for one in part.next_batch() if isinstance(one, Change)]
        emitted, states = job.all, list(job.snapshots().values())
        write(db, 20)
        every = job.until_count(60 * 4)

    former = former_of([Floor(number, 1, state) for number, state in enumerate(states)])
    handover = Handover(min(map(place_position, former)), after, NAMES, former)
    found: dict[str, SourceState] = {partition_name(number): handover.state for number in range(after)}
    again = Driven(mongo_uri, db.name, NAMES, partitions=after, max_batch=5)
    with again:
        again.kill()
        again.resume(found)
        again.until_count(len(every) - len(emitted) - 20)
        states = again.snapshots()
        again.kill()
        again.resume(states)
        write(db, 10)
        again.until_count(len(every) - len(emitted) + 40)
        again.until(lambda: not any(state.former for state in again.snapshots().values()))
    last = max(change.position for change in every)
    assert told([*emitted, *again.all]) == told([*every, *(one for one in again.all if one.position > last)])
    assert len(emitted) + len(again.all) == 70 * 4
    by_row: dict[tuple[str, str], str] = {}
    for change in again.all:
        row = change.collection, change.key
        assert change.position > by_row.get(row, ""), "the changes of a row come in order"
        by_row[row] = change.position


def test_a_state_that_says_nothing_of_another_job_is_kept_as_by_versions_that_do_not_know_of_it() -> None:
    state = SourceState("6ab0a00000000001", 2, position="6ab0a00000000002", retried=("1-1",))
    assert state.__reduce__()[1] == tuple(state)[:9]
    for one in state, state._replace(former=("82A", "82B")):
        assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301  # ours
