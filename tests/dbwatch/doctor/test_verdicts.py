"""What is made of facts: one case for each thing that can be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from dbwatch.doctor.examination import examine
from dbwatch.doctor.facts import (
    Collection,
    Facts,
    JobFacts,
    Member,
    MongoFacts,
    Oplog,
    RedisFacts,
    StoreFacts,
    StreamFacts,
    Unknown,
)
from dbwatch.doctor.verdicts import Level, Verdict, span_text

HOUR_S, DAY_S = 3600, 86_400
NOW_S = 1_800_000_000
MONGO = MongoFacts(
    kind="replica set rs0",
    version=(7, 0, 5),
    members=(Member("a", "PRIMARY"), Member("b", "SECONDARY"), Member("c", "SECONDARY")),
    collections=(Collection("movies", "collection", images=True, rows=1000),),
    oplog=Oplog(NOW_S - 3 * DAY_S, NOW_S, 1000, 1000),
)
REDIS = RedisFacts(version=(8, 2, 0), streams=(StreamFacts("dbwatch:changes", 1000, 1_000_000),))
JOB = JobFacts(
    job_id="j" * 32,
    speaks=True,
    states=frozenset({"tail"}),
    position_ms=NOW_S * 1000,
    writer="process 7 on host",
    writer_seen_ms=NOW_S * 1000,
    redis_ms=NOW_S * 1000,
    users=1,
)
STORE = StoreFacts("recovery", "", True, "j" * 32, 1, 5000, NOW_S * 1000, NOW_S * 1000)
WELL = Facts(MONGO, REDIS, JOB, STORE)


def with_facts(part: str, **changes: Any) -> Facts:
    return WELL._replace(**{part: getattr(WELL, part)._replace(**changes)})


def of(facts: Facts, check: str) -> list[Verdict]:
    return [verdict for verdict in examine(facts) if verdict.check == check]


def test_nothing_is_wrong_when_all_is_well() -> None:
    verdicts = examine(WELL)
    assert {verdict.level for verdict in verdicts} == {"ok"}
    assert not [verdict for verdict in verdicts if verdict.mend]
    assert len({verdict.check for verdict in verdicts}) == len(verdicts)


NO_IMAGES = (Collection("movies", "collection"), Collection("users", "collection", images=True))
MANY_ROWS = (Collection("movies", "collection", images=True, rows=5_000_000),)
DENIED = Unknown("not authorized", denied=True)


@pytest.mark.parametrize(
    ("part", "changes", "check", "level", "words"),
    [
        ("mongo", {"refusal": "found a standalone server"}, "mongodb", "fail", "standalone"),
        ("mongo", {"version": (5, 0, 9)}, "mongodb", "fail", "5.0.9; 6.0 or later"),
        ("mongo", {"version": (6, 0, 5)}, "mongodb", "ok", "cannot be split"),
        ("mongo", {"members": (Member("a", "PRIMARY"),)}, "members", "ok", "a set of one"),
        ("mongo", {"members": (*MONGO.members[:2], Member("c", "DOWN"))}, "members", "warn", "c DOWN"),
        ("mongo", {"members": (Member("a", "PRIMARY"), Member("b", "DOWN"))}, "members", "fail", "majority"),
        ("mongo", {"members": DENIED}, "members", "unknown", "may not see"),
        ("mongo", {"privileges": "lacks changeStream"}, "privileges", "fail", "lacks changeStream"),
        ("mongo", {"collections": (Collection("films", ""),)}, "collections", "warn", "films does not exist"),
        ("mongo", {"collections": (Collection("v", "view"),)}, "collections", "fail", "is a view"),
        ("mongo", {"collections": Unknown("away")}, "collections", "fail", "away"),
        ("mongo", {"collections": NO_IMAGES}, "images", "warn", "none on movies:"),
        ("mongo", {"collections": (Collection("movies", "collection", images=None),)}, "images", "unknown", "may not"),
        ("mongo", {"collections": MANY_ROWS}, "snapshot window", "warn", "300 s; a first read takes about 28 minutes"),
        ("mongo", {"snapshot_window_s": DENIED}, "snapshot window", "unknown", "may not see"),
        ("mongo", {"oplog": DENIED}, "oplog", "unknown", "may not see"),
        ("mongo", {"oplog": Oplog(NOW_S + 60, NOW_S + 90)}, "oplog", "fail", "fell out 60 s ago"),
        ("mongo", {"oplog": Oplog(NOW_S - HOUR_S, NOW_S)}, "oplog", "warn", "would fall out in 60 minutes"),
        ("mongo", {"oplog": Oplog(NOW_S - HOUR_S, NOW_S, 10, 1000)}, "oplog", "ok", "full in 4.1 days"),
        ("mongo", {"skew_ms": -2500}, "mongodb clock", "warn", "2.5 s behind this machine"),
        ("redis", {"refusal": "no Redis answers"}, "redis", "fail", "no Redis answers"),
        ("redis", {"version": (6, 0, 16)}, "redis", "fail", "6.2 or later"),
        ("redis", {"is_cluster": True}, "redis", "fail", "a cluster"),
        ("redis", {"is_primary": False}, "redis", "fail", "a replica"),
        ("redis", {"denied": ("XADD",)}, "redis rights", "fail", "may not run XADD"),
        ("redis", {"write_refusal": "OOM command not allowed"}, "redis rights", "fail", "OOM"),
        ("redis", {"policy": "allkeys-lru"}, "redis memory", "fail", "throws streams away"),
        ("redis", {"memory": 85, "most_memory": 100}, "redis memory", "warn", "85% of maxmemory 100 B"),
        ("redis", {"memory": 99, "most_memory": 100}, "redis memory", "fail", "99%"),
        ("redis", {"appends": False}, "persistence", "warn", "snapshots only"),
        ("redis", {"appends": False, "saves": False}, "persistence", "warn", "none: a restart"),
        ("redis", {"fsync": "no"}, "persistence", "warn", "many seconds"),
        ("redis", {"fsync": "always"}, "persistence", "ok", "loses nothing"),
        ("redis", {"fsync": DENIED}, "persistence", "ok", "may not see"),
        ("redis", {"last_append_ok": False}, "redis disk", "fail", "append to its file failed"),
        ("redis", {"last_save_ok": False}, "redis disk", "fail", "save failed"),
        ("redis", {"memory": 2_000_000, "most_memory": 50_000_000}, "streams", "warn", "about 100 MB"),
        ("redis", {"skew_ms": 1200}, "redis clock", "warn", "1.2 s ahead of this machine"),
        ("job", {"job_id": ""}, "job", "warn", "none has run"),
        ("job", {"speaks": False}, "job", "warn", "gone without a word"),
        ("job", {"speaks": False, "states": frozenset({"stopped"})}, "job", "warn", "stopped in order"),
        ("job", {"holding_reason": "OOM"}, "job", "fail", "holding: OOM"),
        ("job", {"lag_ms": 90_000}, "job", "warn", "90 s behind"),
        ("job", {"writer_seen_ms": (NOW_S - 60) * 1000}, "writer", "warn", "silent for 60 s"),
        ("job", {"dead_letters": 2}, "dead letters", "warn", "2 events were"),
        ("job", {"users": 0}, "users", "warn", "nobody may sign in"),
        ("job", {"users": DENIED}, "users", "unknown", "may not look"),
        ("store", {"is_there": False}, "recovery", "warn", "is not there, and a job has run"),
        ("store", {"refusal": "cannot be read"}, "recovery", "fail", "cannot be read"),
        ("store", {"job_id": "other"}, "recovery", "fail", "belongs to another job"),
        ("store", {"committed_ms": (NOW_S - 600) * 1000}, "recovery", "warn", "10 minutes ago, while the job runs"),
        ("store", {"partitions": 16}, "recovery", "warn", "pauses long at each checkpoint"),
    ],
)
def test_each_thing_that_is_wrong_is_said(
    part: str, changes: dict[str, Any], check: str, level: Level, words: str
) -> None:
    verdicts = of(with_facts(part, **changes), check)
    assert verdicts, check
    assert verdicts[-1].level == level
    assert words in verdicts[-1].text


def test_a_server_that_cannot_be_used_is_one_line_and_the_others_are_looked_at_still() -> None:
    verdicts = examine(with_facts("mongo", refusal="no answer"))
    assert [v.check for v in verdicts if v.level != "ok"] == ["mongodb"]
    assert {"redis", "job", "recovery"} <= {v.check for v in verdicts}
    away = examine(with_facts("redis", refusal="no answer"))
    assert [v.check for v in away][-2:] == ["redis", "recovery"]


def test_images_are_mended_by_one_command_for_each_collection() -> None:
    (images,) = of(with_facts("mongo", collections=NO_IMAGES), "images")
    assert images.mend == ('db.runCommand({collMod: "movies", changeStreamPreAndPostImages: {enabled: true}})',)


def test_a_job_that_stopped_is_told_how_old_its_feed_is_and_when_its_position_is_lost() -> None:
    job = JOB._replace(speaks=False, states=frozenset({"stopped"}), position_ms=(NOW_S - 2 * DAY_S) * 1000)
    facts = WELL._replace(job=job)
    assert "the feed is 2.0 days old" in of(facts, "job")[0].text
    assert "would fall out in 24 hours" in of(facts, "oplog")[0].text


def test_without_a_job_only_a_short_oplog_is_worth_a_word() -> None:
    facts = WELL._replace(job=JobFacts(users=1))
    assert of(facts, "oplog")[0].level == "ok"
    short = facts._replace(mongo=MONGO._replace(oplog=Oplog(NOW_S - HOUR_S, NOW_S)))
    assert of(short, "oplog")[0].level == "warn"


def test_no_job_begins_without_a_collection() -> None:
    facts = with_facts("mongo", collections=(Collection("films", ""),))._replace(job=JobFacts(users=1))
    assert of(facts, "collections")[0].level == "fail"


def test_a_new_place_without_a_folder_is_well() -> None:
    facts = with_facts("store", is_there=False)._replace(job=JobFacts())
    assert of(facts, "recovery")[0].level == "ok"


def test_a_mongos_has_neither_members_nor_an_oplog_to_look_at() -> None:
    facts = with_facts("mongo", kind="mongos", members=(), oplog=Unknown("none of its own"))
    assert not of(facts, "members")
    assert not of(facts, "oplog")


def test_spans_are_in_the_unit_that_suits() -> None:
    assert [span_text(s) for s in (-1, 119, 120, 36_000, 200_000)] == [
        "0 s",
        "119 s",
        "2.0 minutes",
        "10 hours",
        "2.3 days",
    ]
