"""The two ends of a measured stretch, as the processes that they are, on real servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from benchmarks import arrivals, paced
from benchmarks.marks import mark
from benchmarks.processes import PYTHON, Child
from benchmarks.trace import Arrived, Wrote
from benchmarks.workload import SEED
from connectors.redis_client import connect
from dbwatch.sample_ids import object_id

Document = dict[str, Any]
RATE, SECONDS, FIRST = 400.0, 0.5, 1000


def child(name: str, spec: dict[str, Any], folder: Path, *, talks: bool = False) -> Child:
    command = [PYTHON, "-m", f"benchmarks.{name}", json.dumps(spec)]
    return Child(name, command, log=folder / f"{name}.log", talks=talks)


def test_the_writer_writes_each_change_when_it_is_due_and_says_when_it_was_done(
    mongo: MongoClient[Document], mongo_uri: str, mongo_db: str, tmp_path: Path
) -> None:
    db = mongo[mongo_db]
    db.movies.insert_many([{"_id": object_id("movies", i, seed=SEED), "title": f"Film {i}"} for i in range(3)])
    db.users.insert_one({"name": "Ann", "email": "ann@example.org"})
    db.comments.insert_many([{"_id": object_id("comments", i, seed=SEED), "text": "Well."} for i in range(50)])
    out = tmp_path / "wrote.json"
    job = paced.Job(mongo_uri, mongo_db, RATE, SECONDS, FIRST, (0, 50), str(out), dict.fromkeys(paced.MIX, 1.0))
    with child("paced", job._asdict(), tmp_path) as writer:
        writer.start()
        writer.wait(timeout_s=30)
    wrote = Wrote(**json.loads(out.read_bytes()))
    assert len(wrote.kinds) == RATE * SECONDS
    assert set(wrote.kinds) == set(paced.MIX)
    assert wrote.due_ns[-1] - wrote.due_ns[0] == round((RATE * SECONDS - 1) / RATE * 1e9)
    for due, sent, acked in zip(wrote.due_ns, wrote.sent_ns, wrote.acked_ns, strict=True):
        assert due <= sent < acked
    new = [i for i, kind in enumerate(wrote.kinds) if kind == "comment"]
    assert db.comments.count_documents({}) == 50 + len(new)
    for i in new:
        assert db.comments.find_one({"text": {"$regex": f"{mark('comments', FIRST + i)}$"}}) is not None


def test_the_consumer_notes_which_changes_came_and_which_a_lookup_caused(
    redis_url: str, prefix: str, tmp_path: Path
) -> None:
    stream, out = f"{prefix}:changes", tmp_path / "came.json"
    redis = connect(redis_url)
    redis.xadd(stream, {"view": "comments", "after": f'{{"text":"{mark("comments", 1)}"}}'})
    job = arrivals.Job(redis_url, stream, str(out))
    with child("arrivals", job._asdict(), tmp_path, talks=True) as consumer:
        consumer.start()
        assert consumer.hear() == "ready"
        joined = f'{{"text":"{mark("comments", 2)}","movie":{{"title":"{mark("movies", 3)}"}}}}'
        ids = [
            redis.xadd(stream, {"view": "comments", "after": joined}),
            redis.xadd(stream, {"view": "comments", "after": joined, "cause": "movie"}),
            redis.xadd(stream, {"view": "users"}),
        ]
        said = ""
        while said != "1 1":
            consumer.say("how many?")
            said = consumer.hear()
        consumer.end_of_talk()
        consumer.wait(timeout_s=10)
    redis.close()
    came = Arrived(**json.loads(out.read_bytes()))
    assert (came.ids, came.numbers, came.caused) == (ids, [2, 3, -1], [False, True, False])
