"""What to make of the job's and its recovery folder's facts. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.amounts import size_text
from connectors.lease import LEASE_S
from dbwatch.doctor.facts import Facts, Unknown
from dbwatch.doctor.verdicts import Verdict, span_text

_SLOW_MS = 60_000
_OLD_COMMIT_MS = 120_000
_MANY_PARTITIONS = 8


def of_job(facts: Facts) -> Iterator[Verdict]:
    """A line for the job, its writer's lock, its folder, what it set aside, and who may sign in."""
    if not facts.redis.refusal:
        yield _job(facts)
        yield from _writer(facts)
    yield _store(facts)
    if not facts.redis.refusal:
        yield _dead_letters(facts)
        yield _users(facts)


def _job(facts: Facts) -> Verdict:
    job = facts.job
    start = (f"dbwatch run -r {facts.store.folder}",)
    if not job.job_id:
        return Verdict("warn", "job", "none has run with this Redis and prefix", start)
    if not job.speaks:
        how = (
            "stopped in order" if job.states == frozenset({"stopped"}) else "gone without a word, or cannot reach Redis"
        )
        since = ""
        if job.position_ms is not None and facts.job.redis_ms:
            since = f"; the feed is {span_text((job.redis_ms - job.position_ms) / 1000)} old"
        return Verdict("warn", "job", f"not running ({how}){since}", start)
    state = ", ".join(sorted(job.states))
    if job.holding_reason:
        return Verdict("fail", "job", f"running, and holding: {job.holding_reason}", ("see the lines on redis",))
    if job.lag_ms > _SLOW_MS:
        return Verdict(
            "warn",
            "job",
            f"running ({state}), {span_text(job.lag_ms / 1000)} behind",
            ("see docs/operations.md, Several processes",),
        )
    return Verdict("ok", "job", f"running ({state}), {job.lag_ms / 1000:.1f} s behind")


def _writer(facts: Facts) -> Iterator[Verdict]:
    job = facts.job
    if not job.writer or job.writer_seen_ms is None:
        return
    silent_ms = job.redis_ms - job.writer_seen_ms
    if silent_ms > LEASE_S * 1000:
        yield Verdict(
            "warn",
            "writer",
            f"{job.writer} holds the lock, silent for {span_text(silent_ms / 1000)}; the next job takes it over",
        )
    else:
        yield Verdict("ok", "writer", f"{job.writer}, heard {silent_ms / 1000:.1f} s ago")


def _store(facts: Facts) -> Verdict:
    store, job = facts.store, facts.job
    if not store.is_there:
        if not job.job_id:
            return Verdict("ok", "recovery", f"{store.folder} is not there yet; `dbwatch run` makes it")
        return Verdict(
            "warn",
            "recovery",
            f"{store.folder} is not there, and a job has run: elsewhere, or started anew it reads everything again",
            ("dbwatch doctor -r FOLDER  # the one that the job has",),
        )
    if store.refusal:
        return Verdict("fail", "recovery", store.refusal)
    age_s = (store.now_ms - store.committed_ms) / 1000
    count = "1 partition" if store.partitions == 1 else f"{store.partitions} partitions"
    text = f"{count}, {size_text(store.size)}, written {span_text(age_s)} ago"
    if job.job_id and store.job_id is not None and store.job_id != job.job_id:
        return Verdict(
            "fail",
            "recovery",
            f"{store.folder} belongs to another job than the one in Redis ({store.job_id[:8]}, not {job.job_id[:8]})",
            ("name the right folder with -r, or the right REDIS_URL and DBWATCH_PREFIX",),
        )
    if job.speaks and age_s * 1000 > _OLD_COMMIT_MS:
        mend = ("restart the job; is the folder the one that it was started with, has its disk room?",)
        return Verdict("warn", "recovery", f"{text}, while the job runs: a restart would repeat all since", mend)
    if store.partitions > _MANY_PARTITIONS:
        mend = ("dbwatch run -r NEW_FOLDER, when the collections may be read again",)
        return Verdict("warn", "recovery", f"{text}: with so many, the job pauses long at each checkpoint", mend)
    return Verdict("ok", "recovery", text)


def _dead_letters(facts: Facts) -> Verdict:
    count = facts.job.dead_letters
    if isinstance(count, Unknown):
        return Verdict("unknown", "dead letters", "the user of REDIS_URL may not look for them")
    if count:
        events = "1 event was" if count == 1 else f"{count:,} events were"
        return Verdict("warn", "dead letters", f"{events} set aside", ("dbwatch deadletter list",))
    return Verdict("ok", "dead letters", "none")


def _users(facts: Facts) -> Verdict:
    users = facts.job.users
    if isinstance(users, Unknown):
        return Verdict("unknown", "users", "the user of REDIS_URL may not look for them")
    if not users:
        return Verdict("warn", "users", "nobody may sign in to the dashboard", ("dbwatch users add NAME",))
    return Verdict("ok", "users", f"{users} may sign in to the dashboard")
