"""What to make of MongoDB's facts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from connectors.mongo_state import until_full_s
from dbwatch.doctor.facts import Facts, MongoFacts, Unknown
from dbwatch.doctor.verdicts import Level, Verdict, span_text

_OLDEST = (6, 0)
_ROWS_PER_S = 3000
"""How fast the first read is, for an estimate: 58,657 rows of the sample data took 13 to 19 s on two busy cores."""

_SHORT_OPLOG_S, _SHORT_HEADROOM_S = 24 * 3600, 2 * 3600
_LARGEST_SKEW_MS = 1000
_CORRECT = ("correct dbwatch.toml, or MONGO_DB",)
_WELL = ("PRIMARY", "SECONDARY", "ARBITER")
GRANT = (
    'db.getSiblingDB("admin").grantRolesToUser("dbwatch", '
    '[{role: "clusterMonitor", db: "admin"}, {role: "read", db: "local"}])'
)


def of_mongo(facts: Facts) -> Iterator[Verdict]:
    """A line for each check; just one when the server cannot be used at all."""
    mongo = facts.mongo
    if mongo.refusal:
        yield Verdict("fail", "mongodb", mongo.refusal)
        return
    for check in CHECKS:
        yield from check(facts)
    yield skew("mongodb clock", "MongoDB", mongo.skew_ms)


def _server(mongo: MongoFacts) -> Iterator[Verdict]:
    version = ".".join(map(str, mongo.version))
    if mongo.version[:2] < _OLDEST:
        yield Verdict(
            "fail", "mongodb", f"version {version}; 6.0 or later is needed, for images and split streams", ("upgrade",)
        )
        return
    splits = mongo.version >= (7, 0) or (6, 0, 9) <= mongo.version < (6, 1)
    note = "" if splits else "; changes over 16 MB cannot be split here (6.0.9 and 7.0 can)"
    yield Verdict("ok", "mongodb", f"{mongo.kind}, version {version}{note}")


def _members(mongo: MongoFacts) -> Iterator[Verdict]:
    if isinstance(mongo.members, Unknown):
        yield _unseen("members", "the state of the set's members", mongo.members)
        return
    if not mongo.members:  # mongos
        return
    away = [member for member in mongo.members if member.state not in _WELL]
    voters = [member for member in mongo.members if member.votes]
    well = sum(member.state in _WELL for member in voters)
    if away:
        named = ", ".join(f"{member.name} {member.state}" for member in away)
        enough = 2 * well > len(voters)
        tells = "" if enough else "; without a majority nothing new reaches the feed"
        yield Verdict(
            "warn" if enough else "fail", "members", f"{named}{tells}", ("rs.status() on the set; start what is down",)
        )
    elif len(mongo.members) == 1:
        yield Verdict("ok", "members", "a set of one: nothing takes over when it is down")
    else:
        yield Verdict("ok", "members", f"all {len(mongo.members)} are well")


def _privileges(mongo: MongoFacts) -> Iterator[Verdict]:
    if mongo.privileges:
        yield Verdict("fail", "privileges", mongo.privileges)
    else:
        yield Verdict("ok", "privileges", "find and changeStream on the whole database")


def _collections(mongo: MongoFacts, *, begun: bool) -> Iterator[Verdict]:
    if isinstance(mongo.collections, Unknown):
        yield _unseen("collections", "the collections", mongo.collections, level="fail")
        return
    wrong = [c for c in mongo.collections if c.kind != "collection"]
    for c in wrong:
        if c.kind:
            yield Verdict("fail", "collections", f"{c.name} is a {c.kind}, which cannot be watched", _CORRECT)
        elif begun:
            yield Verdict("warn", "collections", f"{c.name} does not exist: dropped since the job began?", _CORRECT)
        else:
            yield Verdict("fail", "collections", f"{c.name} does not exist, and no job begins without it", _CORRECT)
    right = [c for c in mongo.collections if c.kind == "collection"]
    if not wrong:
        yield Verdict("ok", "collections", f"{len(right)}, {sum(c.rows for c in right):,} rows")
    without = [c.name for c in right if c.images is False]
    if any(c.images is None for c in right):
        yield _unseen("images", "whether the collections have images", Unknown("", denied=True))
    elif without:
        mend = tuple(
            f'db.runCommand({{collMod: "{name}", changeStreamPreAndPostImages: {{enabled: true}}}})' for name in without
        )
        yield Verdict(
            "warn", "images", f"none on {', '.join(without)}: rows of updates are looked up, and may be newer", mend
        )
    elif right:
        yield Verdict("ok", "images", "pre- and post-images on every collection")


def _window(mongo: MongoFacts) -> Iterator[Verdict]:
    if isinstance(mongo.snapshot_window_s, Unknown):
        yield _unseen("snapshot window", "how long old versions are kept", mongo.snapshot_window_s)
        return
    if isinstance(mongo.collections, Unknown):
        return
    rows = sum(c.rows for c in mongo.collections)
    needed_s = rows / _ROWS_PER_S
    text = f"{mongo.snapshot_window_s} s; a first read takes about {span_text(needed_s)}"
    if needed_s > mongo.snapshot_window_s / 2:
        wider = max(3600, int(4 * needed_s) // 60 * 60)
        command = f"db.adminCommand({{setParameter: 1, minSnapshotHistoryWindowInSeconds: {wider}}})  // each member"
        yield Verdict("warn", "snapshot window", text, (command,))
    else:
        yield Verdict("ok", "snapshot window", text)


def _oplog(facts: Facts) -> Iterator[Verdict]:
    oplog = facts.mongo.oplog
    if isinstance(oplog, Unknown):
        if facts.mongo.kind != "mongos":
            yield _unseen("oplog", "how far the oplog reaches back", oplog)
        return
    span_s = oplog.last_s - oplog.first_s
    resize = "db.adminCommand({replSetResizeOplog: 1, size: 20480, minRetentionHours: 48})  // each member; MB"
    spare_s = until_full_s(span_s, oplog.used, oplog.most)
    holds = f"holds {span_text(span_s)}"
    if spare_s:
        holds += f", full in {span_text(spare_s)} at today's rate"
    reach_s = span_s + spare_s
    if facts.job.position_ms is None:
        short = reach_s < _SHORT_OPLOG_S
        note = ": the job can be down for no longer" if short else ""
        yield Verdict("warn" if short else "ok", "oplog", holds + note, (resize,) if short else ())
        return
    headroom_s = facts.job.position_ms / 1000 - oplog.first_s
    if headroom_s < 0:
        yield Verdict(
            "fail",
            "oplog",
            f"{holds}; the job's position fell out {span_text(-headroom_s)} ago: the changes in between are lost",
            ('dbwatch.toml: on_history_lost = "resnapshot", then start the job', resize),
        )
        return
    left_s = headroom_s + spare_s
    text = f"{holds}; the job's position would fall out in {span_text(left_s)}"
    level: Level = "ok"
    if left_s < _SHORT_HEADROOM_S or reach_s < _SHORT_OPLOG_S:
        level = "warn"
    yield Verdict(level, "oplog", text, () if level == "ok" else (resize,))


def skew(check: str, server: str, ms: int) -> Verdict:
    """A verdict on a server's clock."""
    if abs(ms) <= _LARGEST_SKEW_MS:
        return Verdict("ok", check, f"within {max(abs(ms), 1)} ms of this machine's")
    way = "ahead of" if ms > 0 else "behind"
    return Verdict(
        "warn",
        check,
        f"{server} is {abs(ms) / 1000:.1f} s {way} this machine: latencies and ages are wrong by that",
        ("timedatectl set-ntp true  # on both machines",),
    )


def _unseen(check: str, what: str, why: Unknown, *, level: Level = "unknown") -> Verdict:
    if why.denied:
        return Verdict(level, check, f"its user may not see {what}", (GRANT,) if level == "unknown" else ())
    return Verdict(level, check, f"{what}: {why.reason}")


CHECKS: tuple[Callable[[Facts], Iterator[Verdict]], ...] = (
    lambda facts: _server(facts.mongo),
    lambda facts: _members(facts.mongo),
    lambda facts: _privileges(facts.mongo),
    lambda facts: _collections(facts.mongo, begun=bool(facts.job.job_id)),
    lambda facts: _window(facts.mongo),
    _oplog,
)
