"""`P:job`: what a job must remember before it emits anything, so that one killed early begins again at the same
point.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

import orjson
import structlog
from redis import Redis

from connectors.errors import ConfigError, StreamLost
from connectors.lease import WRITER_FIELDS, Fence
from connectors.redis_client import translated
from connectors.settings import Settings
from connectors.stream_ids import BEGINNING
from connectors.writer import Command, Lease
from flows.launch import Launch
from flows.recovery import Store, label_store
from flows.views import Views

log = structlog.get_logger()


class Job(NamedTuple):
    """Where the reading begins, each stream's last id before the first record, and this run of the job, which is also
    the token of its lock.
    """

    job_id: str
    run_id: str
    snapshot_position: str
    first_marks: Mapping[str, str]


def begin(
    client: Redis,
    settings: Settings,
    views: Views,
    launch: Launch,
    store: Store | None,
    read_position: Callable[[], str],
    *,
    lease: Lease,
) -> Job:
    """Begin a job, or go on with the one that the recovery store belongs to, as the holder of the writer's lock.

    A job that was killed before its first checkpoint is resumed by the engine with no state; it reads again at the
    time, and from the first marks, that it stored here before it emitted anything. Without a recovery store every start
    is a new job. Raises `ConfigError` for settings that the job cannot go on with, `StreamLost` when Redis no longer
    knows of it, `Fenced` when the lock is another's by now.
    """
    with translated("reading the job's state in Redis"):
        known = cast("dict[str, str]", client.hgetall(settings.keys.job))
    if store is not None and store.job_id is not None and known.get("job_id") == store.job_id:
        check_same(known, settings, views)
        job = _job(known, lease.fence.token)
        log.info(
            "job.resumed" if store.has_state else "job.begun_again", job=job.job_id, snapshot=job.snapshot_position
        )
    elif store is not None and store.has_state:
        raise StreamLost(
            f"recovery folder {store.folder}: it holds the state of a job that {settings.keys.job} in Redis does not "
            "know: Redis lost its data, or it is another Redis or DBWATCH_PREFIX. Point both at the same job, or name "
            "a new recovery folder, which reads a snapshot again"
        )
    else:
        job = _new(client, settings, read_position, lease.fence.token)
        log.info("job.begun", job=job.job_id, snapshot=job.snapshot_position)
    stale = [name for name in known if name not in WRITER_FIELDS]
    _write(lease, settings, views, launch, job, stale=stale)
    if store is not None:
        label_store(store.folder, job_id=job.job_id, run_id=job.run_id)
    return job


def joined(client: Redis, settings: Settings, views: Views) -> tuple[Job, Lease]:
    """What the first process of a cluster has begun, for the others, and the lock that it holds for them: to be asked
    once all are connected, for each checks and begins before it connects. Raises `ConfigError` when this process was
    given other settings.
    """
    with translated("reading the job's state in Redis"):
        known = cast("dict[str, str]", client.hgetall(settings.keys.job))
    check_same(known, settings, views)
    fence = Fence(settings.keys.job, known["run_id"], int(known["writer_epoch"]))
    return _job(known, fence.token), Lease(client, fence, leads=False)


def _new(client: Redis, settings: Settings, read_position: Callable[[], str], run_id: str) -> Job:
    with translated("reading the ends of the streams"):
        marks = {stream: _last_id(client, stream) for stream in settings.keys.changes}
    return Job(uuid.uuid4().hex, run_id, read_position(), marks)


def _last_id(client: Redis, stream: str) -> str:
    if not client.exists(stream):
        return BEGINNING
    return str(cast("Mapping[str, Any]", client.xinfo_stream(stream))["last-generated-id"])


def _job(known: Mapping[str, str], run_id: str) -> Job:
    marks = {name.removeprefix("mark:"): value for name, value in known.items() if name.startswith("mark:")}
    return Job(known["job_id"], run_id, known["snapshot_position"], marks)


def check_same(known: Mapping[str, str], settings: Settings, views: Views) -> None:
    """What decides where a row's changes go must stay as it was; raises `ConfigError` when it did not."""
    now = _fixed(settings)
    for name, value in now.items():
        if known.get(name, value) != value:
            raise ConfigError(
                f"{name.upper()}: expected {known[name]!r}, with which this job began, found {value!r}; set it back, "
                "or name a new recovery folder, which reads a snapshot again"
            )
    if known.get("views", _digest(views)) != _digest(views):
        raise ConfigError(
            f"{settings.config_path}: the views are not those with which this job began, and its state does not fit "
            "them; take the change back, or name a new recovery folder, which reads a snapshot again"
        )


def _digest(views: Views) -> str:
    """What tells two sets of views apart; the names of masked fields are nobody's business in Redis."""
    return hashlib.sha256(orjson.dumps(views, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _fixed(settings: Settings) -> dict[str, str]:
    return {
        "mongo_db": settings.mongo_db,
        "dbwatch_mongo_partitions": str(settings.mongo_partitions),
        "dbwatch_stream_shards": str(settings.stream_shards),
    }


def _write(lease: Lease, settings: Settings, views: Views, launch: Launch, job: Job, *, stale: Sequence[str]) -> None:
    """In place of the `stale` fields of an earlier run."""
    key = settings.keys.job
    fields = {
        "job_id": job.job_id,
        "run_id": job.run_id,
        "flow": "watch",
        "started_ms": str(time.time_ns() // 1_000_000),
        "snapshot_position": job.snapshot_position,
        "processes": str(max(1, len(launch.addresses))),
        **_fixed(settings),
        "views": _digest(views),
        **{f"mark:{stream}": mark for stream, mark in job.first_marks.items()},
    }
    clear: list[Command] = [("HDEL", key, *stale)] if stale else []
    lease.call(*clear, ("DEL", settings.keys.health), ("HSET", key, *chain.from_iterable(fields.items())))
