"""The source and the sink of a job, made from what the job has begun with. An edge: it talks to the servers."""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress
from functools import cache, partial
from typing import NamedTuple

from redis import Redis

from connectors.archive.chapter import Chapter
from connectors.archive.settings import ArchiveSettings
from connectors.archive.source import ArchivedSource, Archiving
from connectors.ending import Ending
from connectors.errors import DBWatchError, TransientError
from connectors.letter_limit import LetterLimit
from connectors.mongo import MongoChangeSource, Reading
from connectors.mongo_client import connect as connect_mongo
from connectors.mongo_client import is_readable, read_later_position, read_position, settled
from connectors.mongo_state import partition_name
from connectors.redis_streams import Guard, RedisStreamSink, Rereading, SinkEvents, Written
from connectors.retry_desk import RetryDesk
from connectors.settings import Settings
from connectors.stream_rows import live_rows
from connectors.writer import Lease, acquire
from flows.again import Again
from flows.archiving import begin_chapter, reached_by, shared_chapter
from flows.clock import ClockWatch
from flows.former import await_former
from flows.gate import RedisGate
from flows.health import Health
from flows.job import Job, SourceTimes, begin, finished_gate, joined, tell_chapter
from flows.late import LateSink, LateSource
from flows.launch import Launch
from flows.policies import Policies
from flows.process import leave_unless
from flows.pulse import Pulse, at_now
from flows.rates import Meter
from flows.recovery import FLOW_ID, check_used_by, open_store, store_size
from flows.store_states import source_states
from flows.views import Views


def _source_times(settings: Settings, views: Views) -> SourceTimes:
    def now() -> str:
        with connect_mongo(settings.mongo_uri) as mongo:
            return settled(lambda: read_position(mongo, settings.mongo_db, views.collections))

    def later() -> str:
        with connect_mongo(settings.mongo_uri) as mongo:
            return read_later_position(mongo, settings.mongo_db, views.collections)

    def readable(position: str, apart_from: Collection[str]) -> bool:
        collections = [name for name in views.collections if name not in apart_from]
        with connect_mongo(settings.mongo_uri) as mongo:
            return is_readable(mongo, settings.mongo_db, collections, position)

    return SourceTimes(now, later, readable)


class Edges(NamedTuple):
    """The source and the sink of a job, made from what the job has begun with."""

    settings: Settings
    views: Views
    policies: Policies
    launch: Launch
    ending: Ending
    client: Redis
    meter: Meter
    health: Health
    clock: ClockWatch
    pulse: Pulse
    again: Again
    ends_after_snapshot: bool
    archive: ArchiveSettings | None = None

    def begun(self) -> tuple[Job, Lease]:
        """The job, begun under the writer's lock, which the pulse renews from then on."""
        if self.launch.is_cluster:
            await_former(self.client, self.settings.keys.job, self.ending)
        lease = acquire(self.client, self.settings.keys.job, ending=self.ending)
        self.pulse.start(lease, is_cluster=self.launch.is_cluster)
        recovery = self.launch.recovery  # looked at once nobody else writes to it
        store = None if recovery is None else open_store(recovery, flow_id=FLOW_ID)
        times = _source_times(self.settings, self.views)
        job = begin(self.client, self.settings, self.views, self.launch, store, times, self.policies, lease=lease)
        if self.archive is not None and recovery is not None:
            chapter = begin_chapter(
                self.archive,
                job,
                source_states(recovery),
                database=self.settings.mongo_db,
                partitions=self.settings.mongo_partitions,
                views=self.views,
            )
            job = tell_chapter(lease, self.settings, job, chapter.name)
            self._keep(self.archive, chapter, times)
        return job, lease

    def _keep(self, archive: ArchiveSettings, chapter: Chapter, times: SourceTimes) -> None:
        """What the leading process does for the archive of all."""
        # Imported here: pyarrow takes memory, and begins threads, which a job without an archive can do without.
        from connectors.archive.image import ImageReading
        from connectors.archive.upkeep import Upkeep

        Upkeep(archive.folder, archive, chapter).start()
        if not chapter.begin:
            ImageReading(
                archive.folder,
                chapter.name,
                uri=self.settings.mongo_uri,
                shapes=self.views.whole_shapes,
                now=times.later,
                on_held=at_now(self.health.on_archive_held),
            ).start()

    def at_once(self, job: Job, lease: Lease) -> tuple[ArchivedSource, RedisStreamSink]:
        sink = self.sink(job, lease)
        return self.source(job, lease, sink), sink

    def late(self, begun: tuple[Job, Lease] | None) -> tuple[LateSource, LateSink]:
        """For a cluster: made once all processes are connected."""
        connected = threading.Event()
        leave_unless(connected, self.ending)

        @cache
        def job() -> tuple[Job, Lease]:
            connected.set()
            return begun or self.joined()

        @cache
        def sink() -> RedisStreamSink:
            return self.sink(*job())

        partitions = [partition_name(i) for i in range(self.settings.mongo_partitions)]
        shards = [str(i) for i in range(self.settings.stream_shards)]
        return LateSource(partitions, lambda: self.source(*job(), sink())), LateSink(shards, sink)

    def joined(self) -> tuple[Job, Lease]:
        """The job of the first process; asked for within the engine, where an error can only end the process."""
        try:
            job, lease = joined(self.client, self.settings, self.views)
        except DBWatchError as exc:
            self.ending.abandon(exc)
        self.pulse.start(lease, is_cluster=True)
        return job, lease

    def source(self, job: Job, lease: Lease, sink: RedisStreamSink) -> ArchivedSource:
        """Ends the process when its archive is not that of the others."""
        self.again.knows(job)
        try:
            chapter = shared_chapter(self.archive, job)
        except DBWatchError as exc:
            self.ending.abandon(exc)
        archiving = chapter and Archiving(
            chapter,
            partial(reached_by, collections=self.views.collections),
            on_held=at_now(self.health.on_archive_held),
            guard=partial(self._check_store, job),
        )
        return ArchivedSource(self._mongo_source(job, lease, sink), archiving, ending=self.ending)

    def _mongo_source(self, job: Job, lease: Lease, sink: RedisStreamSink) -> MongoChangeSource:
        settings, partitions = self.settings, self.settings.mongo_partitions
        parallel = self.launch.is_parallel or partitions > 1
        return MongoChangeSource(
            uri=settings.mongo_uri,
            database=settings.mongo_db,
            shapes=self.views.whole_shapes if job.chapter else self.views.shapes,
            snapshot_first=self.views.looked_up,
            snapshot_position=job.snapshot_position,
            partitions=partitions,
            gate=self._gate(job.run_id) if parallel else None,
            removal_gate=(lambda position: self._gate(f"{job.run_id}-{position}")) if parallel else None,
            reading=self._reading(job),
            retries=RetryDesk(self.client, settings.keys, lease.fence),
            ends_after_snapshot=self.ends_after_snapshot,
            ending=self.ending,
            on_progress=self.health.on_progress,
            on_poll=self._polled,
            before_snapshot=partial(self._before_snapshot, job, sink),
            on_epoch=self.health.on_epoch,
        )

    def _gate(self, gate_id: str) -> RedisGate:
        return RedisGate(self.client, self.settings.keys.job, gate_id, self.settings.mongo_partitions)

    def _reading(self, job: Job) -> Reading | None:
        if job.reread is None:
            return None
        collection_of = {view.name: view.collection for view in self.views.views}

        def known() -> list[tuple[str, str]]:
            live = live_rows(self.client, list(job.first_marks.items()))
            return [(collection_of[view], key) for view, key in live if view in collection_of]

        return Reading(frozenset(job.reread.removed), known, finished_gate(self.client, self.settings, job))

    def sink(self, job: Job, lease: Lease) -> RedisStreamSink:
        rereading = None
        if job.reread is not None:
            rereading = Rereading(job.snapshot_position, finished_gate(self.client, self.settings, job).is_open)
        return RedisStreamSink(
            url=self.settings.redis_url,
            keys=self.settings.keys,
            maxlen=self.settings.stream_maxlen,
            first_marks=job.first_marks,
            ending=self.ending,
            limit=LetterLimit(self.policies.dead_letters_per_minute),
            events=SinkEvents(
                on_written=self._count,
                on_held=at_now(self.health.on_held),
                on_retry=self.health.on_retry,
                on_call=self.health.on_call,
                on_letters=self.health.on_dead_letters,
            ),
            guard=Guard(lease.fence, partial(self._check_ours, job, lease)),
            rereading=rereading,
        )

    def _before_snapshot(self, job: Job, sink: RedisStreamSink) -> None:
        """Once in an epoch, also in one without changes."""
        self._check_store(job)
        if self.launch.recovery is not None:
            self.health.on_store(store_size(self.launch.recovery))
        sink.check_ends()

    def _check_store(self, job: Job) -> None:
        """Raises `Fenced` when the recovery folder is another run's by now."""
        if self.launch.recovery is not None:
            check_used_by(self.launch.recovery, run_id=job.run_id)

    def _check_ours(self, job: Job, lease: Lease) -> None:
        """The same, or when the lock is; a Redis that is away says nothing, and must not keep a job from ending."""
        self._check_store(job)
        with suppress(TransientError):
            lease.renew()

    def _polled(self, partition: str, taken: int, ahead: int) -> None:
        self.clock.look()
        self.health.on_poll(partition, taken, ahead)

    def _count(self, written: Written) -> None:
        self.meter.add(written.records, written.at_ms, written.skipped)
