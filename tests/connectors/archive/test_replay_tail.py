"""What a replay reads of the database's own log after the archive, on a real server."""

from __future__ import annotations

import threading
import time

import pytest
from pymongo import MongoClient

from connectors.archive.moment import Moment
from connectors.archive.replay_state import Floor, ReplayState, cut_before
from connectors.archive.replay_tail import tailed
from connectors.changes import Change, Shape
from tests.connectors.mongo_driving import Document, Driven, with_images

PARTITIONS = 3


@pytest.mark.parametrize("is_between", [False, True])
def test_of_partitions_that_were_unevenly_ahead_of_the_archive_each_change_comes_once(
    mongo_uri: str, mongo: MongoClient[Document], mongo_db: str, *, is_between: bool
) -> None:
    """Also of a transaction that one of them had emitted a part of; and where the archive is further than some."""
    films = mongo[mongo_db].films
    with_images(mongo[mongo_db], "films")
    with Driven(mongo_uri, mongo_db, ["films"], partitions=PARTITIONS, max_batch=2) as job:
        job.until_tail()
        with mongo.start_session() as session, session.start_transaction():
            films.insert_many([{"_id": number} for number in range(20)], session=session)
        films.insert_many([{"_id": number} for number in range(20, 60)])
        for (name, part), count in zip(job.parts.items(), (2, 9, 15), strict=True):
            while len(job.changes[name]) < count:
                job.changes[name] += [one for one in part.next_batch() if isinstance(one, Change)]
        before, states = {change.position for change in job.all}, job.snapshots().values()
        changes = job.until_count(60)
    reached = sorted(state.position for state in states)
    assert len({*reached}) == PARTITIONS
    position = reached[1] if is_between else cut_before(reached[0])

    found: list[Change] = []
    end = ""
    for step, state, cut in tailed(
        uri=mongo_uri,
        database=mongo_db,
        shapes={"films": Shape()},
        moment=Moment.at(time.time_ns() // 1_000_000 + 1000),
        partitions=PARTITIONS,
        state=ReplayState(
            "chapter", "", floors=tuple(Floor(n, 1, one) for n, one in enumerate(states)), position=position
        ),
        stopped=threading.Event(),
    ):
        found += [change for change in step if isinstance(change, Change)]
        assert all(change.position <= state.position for change in found)
        end = cut or end
    wanted = [change for change in changes if change.position not in before and change.position > position]
    assert [c.position for c in found] == sorted(c.position for c in wanted)
    assert {(c.key, c.position, c.after) for c in found} == {(c.key, c.position, c.after) for c in wanted}
    assert end >= found[-1].position
