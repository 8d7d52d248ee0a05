"""What to make of Redis's facts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from connectors.amounts import size_text
from dbwatch.doctor.facts import Facts, RedisFacts, Unknown
from dbwatch.doctor.of_mongo import skew
from dbwatch.doctor.verdicts import Verdict

_OLDEST = (6, 2)
_FULL, _NEARLY_FULL = 0.95, 0.8
_APPEND = "CONFIG SET appendonly yes; CONFIG REWRITE"


def of_redis(facts: Facts) -> Iterator[Verdict]:
    """A line for each check; just one when the server cannot be used at all."""
    redis = facts.redis
    if redis.refusal:
        yield Verdict("fail", "redis", redis.refusal)
        return
    for check in CHECKS:
        yield from check(redis)
    yield from _streams(facts)
    yield skew("redis clock", redis.name, redis.skew_ms)


def _server(redis: RedisFacts) -> Iterator[Verdict]:
    version = f"{redis.name} {'.'.join(map(str, redis.version))}"
    if redis.version[:2] < _OLDEST:
        yield Verdict("fail", "redis", f"{version}; 6.2 or later is needed", ("upgrade, or use Valkey",))
    elif redis.is_cluster:
        yield Verdict("fail", "redis", f"{version}, a cluster; a single server or a primary with replicas is needed")
    elif not redis.is_primary:
        yield Verdict(
            "fail", "redis", f"{version}, a replica, which takes no writes", ("name the primary in REDIS_URL",)
        )
    else:
        yield Verdict("ok", "redis", f"{version}, primary")


def _writes(redis: RedisFacts) -> Iterator[Verdict]:
    if redis.denied:
        yield Verdict(
            "fail",
            "redis rights",
            f"its user may not run {', '.join(redis.denied)}; the job needs that",
            ("docs/security.md has the ACL SETUSER line of the job",),
        )
    elif redis.write_refusal:
        yield Verdict("fail", "redis rights", f"takes no write now: {redis.write_refusal}")
    else:
        yield Verdict("ok", "redis rights", "takes writes")


def _memory(redis: RedisFacts) -> Iterator[Verdict]:
    if redis.policy.startswith("allkeys"):
        yield Verdict(
            "fail",
            "redis memory",
            f"maxmemory-policy {redis.policy} throws streams away when memory is short",
            ("CONFIG SET maxmemory-policy noeviction; CONFIG REWRITE",),
        )
        return
    used = f"{size_text(redis.memory)} used, policy {redis.policy}"
    if not redis.most_memory:
        yield Verdict("ok", "redis memory", f"{used}, no maxmemory: the machine's memory is the limit")
        return
    share = redis.memory / redis.most_memory
    text = f"{used}, {share:.0%} of maxmemory {size_text(redis.most_memory)}"
    if share < _NEARLY_FULL:
        yield Verdict("ok", "redis memory", text)
        return
    mend = (f"CONFIG SET maxmemory {2 * redis.most_memory}", "or a smaller DBWATCH_STREAM_MAXLEN, then restart the job")
    yield Verdict("fail" if share > _FULL else "warn", "redis memory", f"{text}; when full the job waits", mend)


def _persistence(redis: RedisFacts) -> Iterator[Verdict]:
    if not redis.last_append_ok or not redis.last_save_ok:
        what = "append to its file" if not redis.last_append_ok else "save"
        yield Verdict("fail", "redis disk", f"its last attempt to {what} failed", ("look at its log and its disk",))
    if redis.appends:
        fsync = redis.fsync
        if isinstance(fsync, Unknown):
            yield Verdict("ok", "persistence", "appendonly yes; how often it is flushed its user may not see")
        elif fsync == "no":
            mend = ("CONFIG SET appendfsync everysec; CONFIG REWRITE",)
            yield Verdict("warn", "persistence", "appendfsync no: a power cut may lose many seconds", mend)
        else:
            loss = "nothing" if fsync == "always" else "about a second, which the job finds out and writes anew"
            yield Verdict("ok", "persistence", f"appendonly yes, appendfsync {fsync}: a power cut loses {loss}")
    elif redis.saves is False:
        yield Verdict("warn", "persistence", "none: a restart of Redis loses the feed and the users", (_APPEND,))
    else:
        yield Verdict("warn", "persistence", "snapshots only: a crash loses what came since the last", (_APPEND,))


def _streams(facts: Facts) -> Iterator[Verdict]:
    streams = facts.redis.streams
    if isinstance(streams, Unknown):
        yield Verdict("unknown", "streams", "the user of REDIS_URL may not look at them")
        return
    length = sum(stream.length for stream in streams)
    bound = facts.maxlen * max(1, len(streams))
    memory = sum(stream.memory or 0 for stream in streams)
    held = f"{length:,} of about {bound:,} entries" + (f", {size_text(memory)}" if memory else "")
    most = facts.redis.most_memory
    if memory and length and most:
        whole = memory * max(1.0, bound / length)
        if facts.redis.memory - memory + whole > most:
            yield Verdict(
                "warn",
                "streams",
                f"{held}; at their bound they would take about {size_text(whole)}, more than maxmemory leaves",
                (f"CONFIG SET maxmemory {int(2 * (facts.redis.memory + whole))}", "or a smaller DBWATCH_STREAM_MAXLEN"),
            )
            return
    yield Verdict("ok", "streams", held)


Check = Callable[[RedisFacts], Iterator[Verdict]]

CHECKS: tuple[Check, ...] = (_server, _writes, _memory, _persistence)
