"""Marks of a job and of its replays: whose streams they mean, on Valkey and on Redis 8."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import cast

import pytest
from redis import Redis

from connectors.ending import Ending
from connectors.errors import StreamLost
from connectors.letter_limit import LetterLimit
from connectors.once import Mark
from connectors.redis_client import connect
from connectors.redis_streams import RedisStreamPartition, RedisStreamSink
from connectors.settings import Keys
from tests.conftest import REDIS_KINDS
from tests.connectors.test_redis_streams import entries, last_id, partition, record

pytestmark = pytest.mark.parametrize("redis_kind", REDIS_KINDS)


@pytest.fixture
def client(redis_url: str) -> Generator[Redis]:
    with connect(redis_url) as client:
        yield client


def test_a_mark_in_another_feed_means_nothing_in_this_one(client: Redis, redis_url: str, prefix: str) -> None:
    """As a replay begins, with the live job's mark in the copied state, and as a job goes on after a replay."""
    jobs = partition(redis_url, prefix).snapshot()._replace(entry_id="9999999999999-0", seen="9999999999999-0")
    ending = Ending()

    def built(mark: Mark | None, feed: str) -> RedisStreamPartition:
        sink = RedisStreamSink(
            url=redis_url,
            keys=Keys(prefix).of_replay("mine"),
            maxlen=1000,
            first_marks={},
            ending=ending,
            limit=LetterLimit(100),
            feed=feed,
        )
        return sink.build_part("step", "0", mark)

    first = built(jobs, "replay:mine")
    first.write([record("a", 1)])
    mark = first.snapshot()
    first.write([record("a", 2)])
    assert mark.feed == "replay:mine"
    built(mark, "replay:mine").write([record("a", 2), record("a", 3)])
    assert ending.error is None
    found = cast("list[tuple[str, dict[str, str]]]", client.xrange(f"{prefix}:replay:mine"))
    assert [fields["ts_ms"] for _, fields in found] == ["1", "2", "3"]
    theirs = built(mark, "").snapshot()
    assert (theirs.entry_id, theirs.feed) == ("0-0", "")


def test_a_replay_whose_stream_lost_entries_says_how_to_go_on_with_it(
    client: Redis, redis_url: str, prefix: str
) -> None:
    mark = Mark.at("0-0", feed="changes:mend")
    part = repairing(redis_url, prefix, mark, floors={}, maxlen=100)
    part.write([record("a", 1)])
    reached = part.snapshot()
    client.delete(f"{prefix}:changes")
    with pytest.raises(StreamLost, match=r"Redis lost entries\. Give the same command again"):
        part.write([record("a", 2)])
    with pytest.raises(StreamLost, match="Begin the replay anew with --replace"):
        repairing(redis_url, prefix, reached, floors={}, maxlen=100).write([record("a", 2)])


def repairing(url: str, prefix: str, mark: Mark, *, floors: Mapping[str, str], maxlen: int) -> RedisStreamPartition:
    """As a replay into the live stream, which begins with the job's mark in the copied state."""
    sink = RedisStreamSink(
        url=url,
        keys=Keys(prefix),
        maxlen=maxlen,
        first_marks={},
        ending=Ending(),
        limit=LetterLimit(100),
        feed="changes:mend",
        floors=floors,
    )
    return sink.build_part("step", "0", mark)


def test_a_replay_into_the_live_stream_trims_it_as_the_job_does(client: Redis, redis_url: str, prefix: str) -> None:
    job = partition(redis_url, prefix)
    job.write([record(f"old-{i}", i) for i in range(1, 200)])
    mark = job.snapshot()
    job.write([record(f"new-{i}", i) for i in range(200, 300)])
    job.close()
    replay = repairing(redis_url, prefix, mark, floors={}, maxlen=100)
    assert replay.snapshot().feed == "changes:mend"
    for begin in range(200, 3000, 200):
        replay.write([record(f"new-{i}", i) for i in range(begin, begin + 200)])
        mark = replay.snapshot()
    found = [entry.ts_ms for entry in entries(client, prefix)]
    assert len(found) < 1000, "three checkpoints, the bound and a node of the stream"
    assert found == sorted(set(found)), "and none twice"
    replay.close()
    resumed = repairing(redis_url, prefix, mark, floors={}, maxlen=100)
    resumed.write([record(f"new-{i}", i) for i in range(2900, 3010)])
    assert [r.ts_ms for r in entries(client, prefix)][-12:] == [2998, 2999, *range(3000, 3010)]


def test_a_replay_into_a_stream_that_was_trimmed_since_does_not_repeat_what_it_had(
    client: Redis, redis_url: str, prefix: str
) -> None:
    stream = f"{prefix}:changes"
    job = partition(redis_url, prefix)
    job.write([record("a", 1)])
    mark = job.snapshot()
    job.write([record("a", 2), record("b", 3), record("b", 4), record("c", 5)])
    job.close()
    client.xtrim(stream, maxlen=2, approximate=False)
    client.xdel(stream, last_id(client, prefix))  # which Redis lost
    replay = repairing(redis_url, prefix, mark, floors={stream: f"{4:016x}"}, maxlen=100)
    caused = record("a", 2, 2, cause="movie")._replace(position=f"{6:016x}")
    replay.write([record("a", 2), record("b", 3), record("b", 4), record("c", 5), caused])
    assert [(r.key, r.versions.row[-1], r.cause) for r in entries(client, prefix)] == [
        ("b", "4", None),
        ("c", "5", None),
        ("a", "2", "movie"),
    ]
