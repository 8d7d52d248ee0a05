"""Batch replay: the past once more, through the join of the live job, up to a moment; it ends by itself.

`python -m bytewax.run flows.replay:flow -r COPY` runs it on a copy of a recovery folder, or on an empty one; what is
asked for comes from the settings DBWATCH_REPLAY_NAME, _UNTIL, _UNTIL_SNAPSHOT and _INTO. `dbwatch replay`
makes the copy as well. The live job, its streams and its recovery store are not touched, unless it is asked to repair
the live stream: then no job may run.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType

import structlog
from bytewax.dataflow import Dataflow
from redis import Redis

from connectors import logs
from connectors.archive.replay_source import ReplayProgress, ReplaySource
from connectors.archive.settings import parse_archive
from connectors.ending import Ending
from connectors.errors import ConfigError, DBWatchError, Stopped
from connectors.letter_limit import LetterLimit
from connectors.mongo_events import position_ms
from connectors.redis_checks import check_redis
from connectors.redis_client import connect
from connectors.redis_streams import Guard, RedisStreamSink, SinkEvents
from connectors.settings import Keys, Settings
from connectors.stream_ids import BEGINNING
from connectors.views import Views
from connectors.writer import Lease, acquire
from flows.job import made_with
from flows.launch import Launch
from flows.process import collect_seldom, end_on_signals, engine_failed, report, take_turns_often, without_backtraces
from flows.recovery import check_used_by, label_store
from flows.replaying import ledger
from flows.replaying.beginning import Begun, begun
from flows.replaying.note import Note, write_note
from flows.replaying.repairing import ask_for_reading, check_repairable, floors_of
from flows.replaying.request import CHANGES, Request, checked
from flows.replaying.tally import Summary, Tally
from flows.store_states import sink_marks
from flows.views import parse_views
from flows.watch import build

log = structlog.get_logger()

INTERRUPTED = 130
_ANY = 1 << 62

OnProgress = Callable[[ReplayProgress], None]


def flow() -> Dataflow:
    """The replay that the settings ask for, its archive, servers and recovery store checked; what is wrong is one line
    on stderr and the exit status. Ends with 0 at its moment, with 130 when it was stopped before.
    """
    logs.configure()
    without_backtraces()
    ending = Ending()
    end_on_signals(ending)
    try:
        settings = Settings.load()
        asked = settings.replay
        request = Request(asked.name, asked.until, asked.into, until_snapshot=asked.until_snapshot)
        replay = prepare(settings, Launch.of_engine(), ending, request)
    except Stopped:
        raise SystemExit(INTERRUPTED) from None
    except DBWatchError as exc:
        report(exc)
        raise SystemExit(exc.exit_status) from None
    replay.finish_at_exit()
    return replay.dataflow


def prepare(
    settings: Settings, launch: Launch, ending: Ending, request: Request, on_progress: OnProgress = lambda _: None
) -> Replay:
    """Check the archive, Redis and the recovery store, take the lock, and build the dataflow. Raises `DBWatchError`."""
    request = checked(request)
    config, file = settings.config(), str(settings.config_path)
    views, archive = parse_views(config, file=file), parse_archive(config, settings.archive, file=file)
    if archive is None:
        raise ConfigError(
            f"{file}: there is no archive to replay: add the table [archive], or name its folder in DBWATCH_ARCHIVE"
        )
    if launch.is_cluster:
        raise ConfigError("a replay is one process, with as many workers as you like (-w); leave -i and -a out")
    if launch.recovery is None:
        raise ConfigError(
            "a replay needs a recovery folder, the copy of a job's or an empty one: name it with -r, or use "
            "`dbwatch replay`, which makes one"
        )
    start = begun(settings, views, archive.folder, launch.recovery, request)
    keys = settings.keys.of_replay(request.name)
    check_redis(settings.redis_url, keys)
    client = connect(settings.redis_url)
    lease = acquire(client, settings.keys.job if request.into else keys.job, ending=ending)
    return Replay(settings, views, launch, ending, request, start, client, lease, on_progress)


class Replay:
    """A replay that is ready to be executed."""

    def __init__(
        self,
        settings: Settings,
        views: Views,
        launch: Launch,
        ending: Ending,
        request: Request,
        begun: Begun,
        client: Redis,
        lease: Lease,
        on_progress: OnProgress,
    ) -> None:
        """Raises `DBWatchError`, with the lock released."""
        assert launch.recovery is not None
        self._settings, self._views, self._request = settings, views, request
        self._folder, self._ending, self._begun = launch.recovery, ending, begun
        self._client, self._lease = client, lease
        self._keys: Keys = settings.keys.of_replay(request.name)
        self._tally = Tally()
        self._progress = ReplayProgress(begun.course.begin.read, 0, 0, tail=False)
        self._on_progress = on_progress
        self._began_s = time.monotonic()
        self._floors: Mapping[str, str] | None = None
        lease.__enter__()
        try:
            self._replay_id = self._claimed()
            self._source = self._make_source()
            self.dataflow = build(
                views,
                self._source,
                self._make_sink(),
                shards=settings.stream_shards,
                is_parallel=launch.is_parallel,
            )
        except BaseException:
            lease.__exit__(None, None, None)
            raise
        collect_seldom()
        take_turns_often()

    def finish(self) -> Summary:
        """After the engine's end: what came of it, written down, and the lock released. A replay that has come to its
        end may be handed over from then on. Raises `DBWatchError`.
        """
        end = self._source.handover if self._ending.error is None else None
        began = self._begun.course.begin.reached
        summary = self._tally.summary(
            read=self._progress.read - self._begun.course.begin.read,
            from_ms=position_ms(began) if began else 0,
            until_ms=position_ms(end.cut) if end else self._progress.at_ms,
            finished=end is not None,
            took_s=time.monotonic() - self._began_s,
        )
        try:
            if not self._ending.abandoned:
                if end is not None:
                    if self._request.into and self._begun.chosen is not None:
                        chapter = self._begun.chosen.chapter
                        ask_for_reading(self._client, self._lease, self._settings, self._views, chapter, cut=end.cut)
                    self._note(end.cut)
                ledger.note_run(self._lease, self._keys, summary, end.cut if end else "")
        finally:
            self._lease.__exit__(None, None, None)
            self._client.close()
        log.info(
            "replay.finished" if end else "replay.stopped",
            name=self._request.name,
            until=end.cut if end else "",
            written=dict(summary.written),
            left_out=summary.left_out,
            letters=summary.letters,
            took_s=round(summary.took_s, 1),
        )
        return summary

    def failed(self, exc: BaseException) -> bool:
        """Keep the error of an engine that panicked, unless it is known why; whether it was kept."""
        return engine_failed(self._ending, None, exc)

    def finish_at_exit(self) -> None:
        """For `bytewax.run`: finish when the interpreter exits, and exit with the status that says how it ended."""

        def except_hook(kind: type[BaseException], exc: BaseException, tb: TracebackType | None) -> None:
            if self.failed(exc):
                traceback.print_exception(kind, exc, tb)

        sys.excepthook = except_hook
        atexit.register(self.leave)
        self._ending.on_abandon(self.leave)

    def leave(self, *, verbose: bool = False) -> None:
        """Finish, say how it ended, and end the process: threads may still hold connections."""
        status = INTERRUPTED
        error = self._ending.error
        try:
            status = 0 if self.finish().finished else INTERRUPTED
        except DBWatchError as exc:
            error = error or exc
        if error is not None:
            status = report(error, verbose=verbose)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def _claimed(self) -> str:
        """The replay's id, written down in Redis and beside the store, which is not the job's any more."""
        request, note = self._request, self._begun.note
        known = ledger.known_of(self._client, self._keys)
        if request.replace and note is None:
            ledger.forget(self._client, self._lease, self._keys)
            known = ledger.known_of(self._client, self._keys)
        ledger.check_open(known, self._keys, note, request.name)
        if self._begun.has_ended:
            return known["replay_id"]
        if request.into and "replay_id" not in known:
            self._floors = self._repairable()
        elif "floors" in known:
            self._floors = json.loads(known["floors"])
        start = self._begun.course.begin
        asked = {
            **({} if self._floors is None else {"floors": json.dumps(self._floors)}),
            "chapter": start.chapter,
            "until": start.until,
            "into": request.into,
            "begin": start.begin or "snapshot",
            "ends": ",".join(str(end.seq) for end in start.ends),
            **self._made_for(),
        }
        self._replay_id = ledger.claim(self._lease, self._keys, known, uuid.uuid4().hex, asked)
        if note is None:
            self._note("")
        label_store(self._folder, job_id=self._replay_id, run_id=self._lease.fence.token, made_for=self._made_for())
        return self._replay_id

    def _repairable(self) -> Mapping[str, str]:
        """The floors of the live streams, once it is sure that they may be written to."""
        chosen, from_snapshot = self._begun.chosen, self._begun.from_snapshot
        assert chosen is not None
        check_repairable(self._client, self._settings, self._views, chosen.chapter, from_snapshot=from_snapshot)
        return floors_of(self._client, self._settings.keys, sink_marks(self._folder))

    def _made_for(self) -> dict[str, str]:
        partitions = str(self._begun.course.asked.partitions)
        return made_with(self._settings, self._views) | {"dbwatch_mongo_partitions": partitions}

    def _note(self, cut: str) -> None:
        note = Note(self._request.name, self._replay_id, self._request.into, cut, self._made_for())
        write_note(self._folder, note)

    def _make_source(self) -> ReplaySource:
        return ReplaySource(
            self._begun.course,
            ending=self._ending,
            on_progress=self._told,
            before_snapshot=partial(check_used_by, self._folder, run_id=self._lease.fence.token),
        )

    def _make_sink(self) -> RedisStreamSink:
        request, settings = self._request, self._settings
        is_repair = request.into == CHANGES
        keys = settings.keys if is_repair else self._keys
        usual = settings.stream_maxlen if is_repair else _ANY
        return RedisStreamSink(
            url=settings.redis_url,
            keys=keys,
            maxlen=request.maxlen or usual,
            # Its own streams are empty when it begins; of the live one the mark of a snapshot, or all that is there.
            first_marks=dict.fromkeys(keys.changes, BEGINNING),
            ending=self._ending,
            # What the live job met in a day a replay meets in minutes.
            limit=LetterLimit(_ANY),
            events=SinkEvents(on_written=self._tally.on_written, on_letters=self._tally.on_letters),
            guard=Guard(self._lease.fence),
            feed=f"{request.into or 'replay'}:{request.name}",
            floors=self._floors,
        )

    def _told(self, progress: ReplayProgress) -> None:
        self._progress = progress
        self._on_progress(progress)
