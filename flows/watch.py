"""The live job: changes in, joined records out.

`python -m bytewax.run flows.watch:flow -r RECOVERY` runs it against the servers of the settings; `dbwatch run` does the
same and makes the recovery store. `build` makes the dataflow from any source and sink.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import bytewax.operators as op
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from connectors import logs
from connectors.archive.settings import ArchiveSettings, parse_archive
from connectors.dead_letters import DeadLetter, Emitted, Output, Outputs
from connectors.ending import Ending
from connectors.errors import ConfigError, DBWatchError, Stopped
from connectors.mongo_checks import check as check_mongo
from connectors.records import shard_of
from connectors.redis_checks import check_redis
from connectors.redis_client import connect as connect_redis
from connectors.settings import Settings
from flows.again import Again
from flows.archiving import check_folder
from flows.clock import ClockWatch
from flows.denormalize import denormalize
from flows.edges import Edges
from flows.endpoint import Pages, serve, show_beside_the_engines
from flows.gauges import JoinGauges
from flows.health import Health
from flows.job import made_with
from flows.join.plan import Plan
from flows.late import LateSink, LateSource
from flows.launch import Launch
from flows.oplog_watch import OplogWatch
from flows.policies import Policies, parse_policies
from flows.process import (
    collect_seldom,
    end_on_signals,
    finish_at_exit,
    report,
    take_turns_often,
    without_backtraces,
)
from flows.pulse import Pulse, at_now, now_ms
from flows.rates import Meter
from flows.recovery import FLOW_ID, Store, finish_store, open_store
from flows.views import Views, parse_views

log = structlog.get_logger()


def _none() -> NoReturn:
    raise AssertionError("a flow that is only looked at is not run")


_NO_SOURCE, _NO_SINK = LateSource([], _none), LateSink([], _none)


def build(
    views: Views,
    source: Source[Emitted],
    sink: Sink[Any],
    *,
    shards: int = 1,
    gauges: JoinGauges | None = None,
    recovers: bool = True,
    is_parallel: bool = False,
    whole: bool = False,
) -> Dataflow:
    """The dataflow from a source of changes to a sink of `(shard, records and dead letters)`, joined as the views say.

    What is needed for a restart is only made when it `recovers`. It must know when it `is_parallel`: on several
    workers; and when changes come `whole`, with fields that no view needs.

    The names of its steps are the names that state is kept under: changing one loses the state.
    """
    flow = Dataflow(FLOW_ID)
    changes = op.input("changes", flow, source)
    records = denormalize("join", changes, Plan(views, whole=whole), gauges, recovers=recovers, is_parallel=is_parallel)
    op.output("feed", op.flat_map_batch("shard", records, lambda outputs: sharded(outputs, shards)), sink)
    return flow


def sharded(outputs: list[Output], shards: int) -> list[tuple[str, Outputs]]:
    """A batch as one item for each shard, in order: every item costs the engine, and a cluster's network, the same."""
    if shards == 1:
        return [("0", outputs)]
    parts: dict[int, list[Output]] = {}
    for output in outputs:
        view = output.collection if isinstance(output, DeadLetter) else output.view
        parts.setdefault(shard_of(view, output.key, shards), []).append(output)
    return [(str(shard), part) for shard, part in parts.items()]


def flow() -> Dataflow:
    """The live job, its servers and its recovery store checked; what is wrong is one line on stderr and the exit
    status.
    """
    logs.configure()
    without_backtraces()
    ending = Ending()
    end_on_signals(ending)
    try:
        run = prepare(Settings.load(), Launch.of_engine(), ending)
    except Stopped:
        raise SystemExit(0) from None
    except DBWatchError as exc:
        report(exc)
        raise SystemExit(exc.exit_status) from None
    finish_at_exit(ending, run.pulse, run.again)
    return run.dataflow


def _check_steps(store: Store, settings: Settings, views: Views) -> None:
    """Raise `ConfigError` when state is kept under steps that a job with these views has not, in one worker or in
    several: the engine would leave it out without a word. State that was made for other views is refused later.
    """
    digest = made_with(settings, views)["views"]
    if store.made_for.get("views", digest) != digest:
        return
    flows = (build(views, _NO_SOURCE, _NO_SINK, is_parallel=is_parallel) for is_parallel in (False, True))
    unknown = store.steps - {step.step_id for flow in flows for step in flow.substeps}
    if unknown:
        raise ConfigError(
            f"recovery folder {store.folder}: holds state of the step {min(unknown)!r}, which this version does not "
            "have; use the version that wrote it, or name a new folder, which reads a snapshot again"
        )


class Run(NamedTuple):
    """A job that is ready to be executed, its pulse, which is to be stopped after it, and what to do about an error."""

    dataflow: Dataflow
    pulse: Pulse
    again: Again


def prepare(settings: Settings, launch: Launch, ending: Ending, *, ends_after_snapshot: bool = False) -> Run:
    """Check the servers and the recovery store, begin the job, and build its dataflow. Raises `DBWatchError`.

    With `ends_after_snapshot` it ends by itself where the tail would begin.
    """
    config, file = settings.config(), str(settings.config_path)
    views, policies = parse_views(config, file=file), parse_policies(config, file=file)
    archive = parse_archive(config, settings.archive, file=file)
    store = _checked_store(settings, launch, views)
    archive = None if archive is None else _checked_archive(archive, launch, views)
    # A collection of a job that has begun may have been dropped since.
    begins = launch.leads and (store is None or store.job_id is None)
    check_mongo(uri=settings.mongo_uri, database=settings.mongo_db, collections=views.collections, must_exist=begins)
    check_redis(settings.redis_url, settings.keys)
    gauges = JoinGauges()
    edges = _edges(settings, views, policies, launch, ending, gauges, archive, ends_after_snapshot=ends_after_snapshot)
    try:
        begun = edges.begun() if launch.leads else None
        _show(edges)
    except BaseException:
        edges.pulse.stop()
        raise
    source, sink = edges.late(begun) if begun is None or launch.is_cluster else edges.at_once(*begun)
    collect_seldom()
    take_turns_often()
    dataflow = build(
        views,
        source,
        sink,
        shards=settings.stream_shards,
        gauges=gauges,
        recovers=launch.recovery is not None,
        is_parallel=launch.is_parallel,
        whole=archive is not None,
    )
    return Run(dataflow, edges.pulse, edges.again)


def _checked_store(settings: Settings, launch: Launch, views: Views) -> Store | None:
    """What the first process goes on with, before the lock is held; None in others, and without recovery."""
    if launch.recovery is None:
        log.warning("job.no_recovery", effect="a restart will read a snapshot again; -r RECOVERY keeps the position")
        return None
    if not launch.leads:
        return None
    finish_store(launch.recovery)
    store = open_store(launch.recovery, flow_id=FLOW_ID)
    _check_steps(store, settings, views)
    return store


def _checked_archive(archive: ArchiveSettings, launch: Launch, views: Views) -> ArchiveSettings | None:
    """The archive, which can be written; None when the job keeps none."""
    if launch.recovery is None:
        log.warning("archive.off", reason="a job without a recovery folder keeps none")
        return None
    check_folder(archive, collections=views.collections)
    return archive


def _edges(
    settings: Settings,
    views: Views,
    policies: Policies,
    launch: Launch,
    ending: Ending,
    gauges: JoinGauges,
    archive: ArchiveSettings | None,
    *,
    ends_after_snapshot: bool,
) -> Edges:
    """What makes the source and the sink, and what watches them."""
    client = connect_redis(settings.redis_url)
    meter, clock = Meter(), ClockWatch()
    health = Health(started_ms=now_ms(), join=gauges, recovers=launch.recovery is not None)
    pulse = Pulse(settings.keys, process=launch.process, meter=meter, health=health, ending=ending, clock=clock)
    again = Again(client, settings, policies, health)
    return Edges(
        settings,
        views,
        policies,
        launch,
        ending,
        client,
        meter,
        health,
        clock,
        pulse,
        again,
        ends_after_snapshot,
        archive,
    )


def _show(edges: Edges) -> None:
    """The pages that show how the job is, and what they show of the oplog."""
    settings, facts = edges.settings, at_now(edges.health.facts)
    serve(settings.metrics and settings.metrics.of_process(edges.launch.process), Pages(facts, edges.ending))
    show_beside_the_engines(facts)
    OplogWatch(settings.mongo_uri, settings.mongo_db, edges.views.collections, health=edges.health).start()
