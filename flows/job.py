"""`P:job`: what a job must remember before it emits anything, so that one killed early begins again at the same
point.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
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
from flows.gate import RedisGate, has_all
from flows.generations import Reread, reread_after
from flows.launch import Launch
from flows.policies import Policies
from flows.recovery import LABEL, Store, empty_store, label_store
from flows.replaying.note import Note, drop_note, read_note
from flows.store_states import check_states
from flows.views import Views

log = structlog.get_logger()

_NEW_FOLDER = "or name a new recovery folder, which reads a snapshot again"
_ANEW = f"`dbwatch replay` (docs/upgrading.md); {_NEW_FOLDER}"


class SourceTimes(NamedTuple):
    """What a job asks its source for: the position of the present, one later than all that was emitted, and whether it
    can read as of a position, apart from collections that had no rows then.
    """

    now: Callable[[], str]
    later: Callable[[], str]
    is_readable: Callable[[str, Collection[str]], bool]


class Job(NamedTuple):
    """Where the reading begins, each stream's last id before the first record, and this run of the job, which is also
    the token of its lock. `reread` is why the collections are read again, None when they are not (any more). `chapter`
    is that of the archive which the run writes, empty for none.
    """

    job_id: str
    run_id: str
    snapshot_position: str
    first_marks: Mapping[str, str]
    generation: int = 1
    reread: Reread | None = None
    chapter: str = ""


def begin(
    client: Redis,
    settings: Settings,
    views: Views,
    launch: Launch,
    store: Store | None,
    times: SourceTimes,
    policies: Policies,
    *,
    lease: Lease,
) -> Job:
    """Begin a job, or go on with the one that the recovery store belongs to, as the holder of the writer's lock.

    A job that was killed before its first checkpoint is resumed by the engine with no state; it reads again at the
    time, and from the first marks, that it stored here before it emitted anything. Without a recovery store every start
    is a new job, but for one that was asked to read again. Raises `ConfigError` for settings that the job cannot go on
    with, `StreamLost` when Redis no longer knows of it, `Fenced` when the lock is another's by now.
    """
    known = _known(client, settings)
    if store is not None and store.job_id is None and store.has_state:
        raise ConfigError(
            f"recovery folder {store.folder}: it holds state, and no {LABEL} that says of which job; restore that file "
            "with the rest of its copy, or name a new folder, which reads a snapshot again"
        )
    beginning = _Beginning(client, settings, views, times, policies, lease.fence.token)
    job = beginning.job(store, known)
    ours = f"process:{beginning.run_id}:"
    stale = [name for name in known if name not in WRITER_FIELDS and not name.startswith(ours)]
    _write(lease, settings, views, launch, job, stale=stale)
    if store is not None:
        _label(store.folder, job, settings, views)
        drop_note(store.folder)
    return job


def _known(client: Redis, settings: Settings) -> dict[str, str]:
    """What Redis knows of the job; nothing when there was none."""
    with translated("reading the job's state in Redis"):
        return cast("dict[str, str]", client.hgetall(settings.keys.job))


def _is_known(store: Store, known: Mapping[str, str]) -> bool:
    """Whether Redis knows of the store's job, and has not forgotten that its state is of a later generation."""
    return store.job_id is not None and known.get("job_id") == store.job_id and _generation(known) >= store.generation


def _empty(store: Store, job: Job, settings: Settings, views: Views) -> None:
    """Throw away the store's state, which is of an earlier generation. It is labelled first, for that may be all that
    still tells of the job when this run is cut off and Redis loses its last.
    """
    empty_store(store, first=lambda: _label(store.folder, job, settings, views))


def _label(folder: Path, job: Job, settings: Settings, views: Views) -> None:
    made_for = made_with(settings, views)
    label_store(folder, job_id=job.job_id, run_id=job.run_id, generation=job.generation, made_for=made_for)


class _Beginning(NamedTuple):
    """The ways in which a run can begin."""

    client: Redis
    settings: Settings
    views: Views
    times: SourceTimes
    policies: Policies
    run_id: str

    def job(self, store: Store | None, known: Mapping[str, str]) -> Job:
        """The job that the store and Redis tell of, or a new one. State that the job cannot go on with is thrown away,
        or refused.
        """
        if store is not None and _is_known(store, known):
            return self._resumed(store, known)
        if store is None and "asked" in known:
            check_same(known, self.settings, self.views)
            return self._next(known)
        if store is not None and (note := read_note(store.folder)) is not None:
            return self._handed_over(note, store, known)
        if store is not None and (store.has_state or store.generation > 1):
            return self._repaired(store, known)
        return self._new(store, known)

    def _new(self, store: Store | None, known: Mapping[str, str]) -> Job:
        """A job that nothing is known of; whether another has written here before is told."""
        job = Job(uuid.uuid4().hex, self.run_id, self.times.now(), self._ends())
        log.info("job.begun", job=job.job_id, snapshot=job.snapshot_position)
        if store is not None and "job_id" in known:
            effect = f"{store.folder} is new; what happened since that job's end gets no record of its own"
            log.warning("job.leaves_former", former=known["job_id"], effect=effect)
        return job

    def _resumed(self, store: Store, known: Mapping[str, str]) -> Job:
        """The store's job, in the generation that was asked for, if one was."""
        check_same(known, self.settings, self.views)
        check_same(store.made_for, self.settings, self.views)
        has_state = store.has_state
        if "asked" in known or _generation(known) > store.generation:
            job = self._next(known)
            _empty(store, job, self.settings, self.views)
            has_state = False
        else:
            check_states(store.folder)  # what cannot be read is refused, before the engine panics
            job = _job(known, self.run_id)
        log.info("job.resumed" if has_state else "job.begun_again", job=job.job_id, snapshot=job.snapshot_position)
        return job

    def _handed_over(self, note: Note, store: Store, known: Mapping[str, str]) -> Job:
        """A job that goes on right after a replay's end, with its views, its state and its id."""
        where = f"recovery folder {store.folder}: it is that of the replay {note.name}"
        if note.into:
            raise ConfigError(
                f"{where}, which was written into the job's own stream; start the job with its own folder"
            )
        if not note.cut:
            raise ConfigError(f"{where}, which has not come to its end; let `dbwatch replay --name {note.name}` go on")
        if "job_id" in known:
            raise ConfigError(
                f"{where}, and {self.settings.keys.job} names another job already; give the job that goes on after the "
                "replay a DBWATCH_PREFIX of its own"
            )
        check_same(note.made_for, self.settings, self.views)
        job = Job(note.replay_id, self.run_id, note.cut, self._ends())
        log.info("job.begun_after_replay", job=job.job_id, replay=note.name, position=job.snapshot_position)
        return job

    def _next(self, known: Mapping[str, str]) -> Job:
        """The generation that was asked for, at the time asked for if the source can still read as of then."""
        asked = _job(known, self.run_id)
        reread = asked.reread or Reread("asked", "")
        reread, position = self._time_for(reread, asked.snapshot_position)
        job = asked._replace(snapshot_position=position, reread=reread, first_marks=self._ends())
        _tell(job, reread)
        return job

    def _repaired(self, store: Store, known: Mapping[str, str]) -> Job:
        """The store's job in another generation, if Redis may lose what it knew of it; raises `StreamLost` if not."""
        another = known.get("job_id", store.job_id) != store.job_id
        why = "another job has begun there since, with another recovery folder" if another else "Redis lost its data"
        lost = StreamLost(
            f"recovery folder {store.folder}: it holds the state of a job that {self.settings.keys.job} in Redis does "
            f"not know: {why}, or it is another Redis or DBWATCH_PREFIX. Point both at the same job; if "
            "the data is lost, `dbwatch replay --into changes` writes it again from the archive; or set "
            'on_stream_lost = "repair" in the configuration to have what differs written, or name a new recovery '
            "folder, which reads a snapshot again"
        )
        reread = reread_after(lost, self.policies, "")
        if reread is None:
            raise lost
        # What ended the run before may have left word of how far it had come.
        reread, position = self._time_for(reread, known.get("snapshot_position", "") if "asked" in known else "")
        generation = max(store.generation, _generation(known)) + 1
        job = Job(store.job_id or uuid.uuid4().hex, self.run_id, position, self._ends(), generation, reread)
        _tell(job, reread)
        _empty(store, job, self.settings, self.views)
        return job

    def _time_for(self, reread: Reread, position: str) -> tuple[Reread, str]:
        if not position:
            return reread, self.times.later()
        if self.times.is_readable(position, reread.removed):
            return reread, position
        log.warning("job.reads_at_now", wanted=position, effect="changes since then get no record of their own")
        since = min(filter(None, (reread.since, position)))
        return reread._replace(removed=(), since=since), self.times.later()

    def _ends(self) -> dict[str, str]:
        with translated("reading the ends of the streams"):
            return {stream: _last_id(self.client, stream) for stream in self.settings.keys.changes}


def _tell(job: Job, reread: Reread) -> None:
    log.warning(
        "job.reads_again",
        job=job.job_id,
        generation=job.generation,
        snapshot=job.snapshot_position,
        why=reread.reason,
        since=reread.since,
        until=reread.until,
        reason=reread.text,
    )


def joined(client: Redis, settings: Settings, views: Views) -> tuple[Job, Lease]:
    """What the first process of a cluster has begun, for the others, and the lock that it holds for them: to be asked
    once all are connected, for each checks and begins before it connects. Raises `ConfigError` when this process was
    given other settings.
    """
    known = _known(client, settings)
    check_same(known, settings, views)
    fence = Fence(settings.keys.job, known["run_id"], int(known["writer_epoch"]))
    job = _job(known, fence.token)._replace(chapter=known.get("chapter", ""))
    return job, Lease(client, fence, leads=False)


def tell_chapter(lease: Lease, settings: Settings, job: Job, chapter: str) -> Job:
    """Let the other processes of a cluster know which chapter of the archive all of them write."""
    lease.call(("HSET", settings.keys.job, "chapter", chapter))
    return job._replace(chapter=chapter)


def _last_id(client: Redis, stream: str) -> str:
    if not client.exists(stream):
        return BEGINNING
    return str(cast("Mapping[str, Any]", client.xinfo_stream(stream))["last-generated-id"])


def _job(known: Mapping[str, str], run_id: str) -> Job:
    marks = {name.removeprefix("mark:"): value for name, value in known.items() if name.startswith("mark:")}
    reread = Reread.from_json(known["reread"]) if "reread" in known and not _is_read(known) else None
    return Job(known["job_id"], run_id, known["snapshot_position"], marks, _generation(known), reread)


def _generation(known: Mapping[str, str]) -> int:
    return int(known.get("generation", 1))


def finished_gate(client: Redis, settings: Settings, job: Job) -> RedisGate:
    """Where the partitions arrive once a generation's reading will not be done again."""
    return RedisGate(client, settings.keys.job, _reading(job.generation), settings.mongo_partitions)


def _reading(generation: int) -> str:
    return f"read-{generation}"


def _is_read(known: Mapping[str, str]) -> bool:
    """Whether every partition has arrived there."""
    return has_all(known, _reading(_generation(known)), int(known["dbwatch_mongo_partitions"]))


def check_same(known: Mapping[str, str], settings: Settings, views: Views) -> None:
    """What decides where a row's changes go must stay as it was; raises `ConfigError` when it did not."""
    now = _fixed(settings)
    for name, value in now.items():
        if known.get(name, value) != value:
            anew = _NEW_FOLDER if name == "mongo_db" else f"run the past through the new setting with {_ANEW}"
            raise ConfigError(
                f"{name.upper()}: expected {known[name]!r}, with which this job began, found {value!r}; set it back; "
                f"{anew}"
            )
    if known.get("views", _digest(views)) != _digest(views):
        raise ConfigError(
            f"{settings.config_path}: the views are not those with which this job began (names, order, lookups, fields "
            "and masks count), and its state does not fit them; take the change back; run the past through the new "
            f"views with {_ANEW}"
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


def made_with(settings: Settings, views: Views) -> dict[str, str]:
    """What a job's state fits: its settings of these names, and what tells its views apart."""
    return {**_fixed(settings), "views": _digest(views)}


def _write(lease: Lease, settings: Settings, views: Views, launch: Launch, job: Job, *, stale: Sequence[str]) -> None:
    """In place of the `stale` fields of an earlier run."""
    key = settings.keys.job
    fields = {
        "job_id": job.job_id,
        "run_id": job.run_id,
        "flow": "watch",
        "started_ms": str(time.time_ns() // 1_000_000),
        "generation": str(job.generation),
        "snapshot_position": job.snapshot_position,
        **({"reread": job.reread.to_json()} if job.reread else {}),
        "processes": str(max(1, len(launch.addresses))),
        **made_with(settings, views),
        **{f"mark:{stream}": mark for stream, mark in job.first_marks.items()},
    }
    clear: list[Command] = [("HDEL", key, *stale)] if stale else []
    lease.call(*clear, ("DEL", settings.keys.health), ("HSET", key, *chain.from_iterable(fields.items())))
