"""How a replay begins or goes on, before anything is written. An edge: it reads a recovery store and the archive, and
asks Redis.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import structlog

from connectors.archive.moment import Moment
from connectors.archive.replay_reading import Asked
from connectors.archive.replay_source import Course
from connectors.archive.replay_state import ReplayState
from connectors.errors import ConfigError
from connectors.mongo_state import SourceState
from connectors.redis_client import connect
from connectors.settings import Settings
from connectors.views import Views, views_of
from flows.job import made_with
from flows.recovery import FLOW_ID, finish_store, open_store, read_label
from flows.replaying import ledger
from flows.replaying.choosing import Chosen, choose, resumed
from flows.replaying.ends import check_feed_ends, read_ends
from flows.replaying.note import Note, read_note
from flows.replaying.request import Request, moment_of
from flows.snapshots import META
from flows.store_states import source_states

log = structlog.get_logger()


class Begun(NamedTuple):
    """What is read from where on, and what the store says of the replay. `has_ended`: it says that it has come to its
    end; it was cut off before it said so in Redis.
    """

    course: Course
    chosen: Chosen | None
    note: Note | None
    from_snapshot: bool
    has_ended: bool


def begun(settings: Settings, views: Views, root: Path, folder: Path, request: Request) -> Begun:
    """Found out from the recovery store in `folder`, the archive at `root`, and Redis. Raises `ConfigError`."""
    finish_store(folder)
    store = open_store(folder, flow_id=FLOW_ID)
    note, states = read_note(folder), source_states(folder)
    if note is None:
        _check_copy(folder)
    state = next((state for state in states.values() if isinstance(state, ReplayState)), None)
    has_ended = note is not None and state is None and any(isinstance(one, SourceState) for one in states.values())
    ends = (
        read_ends(Path(request.until_snapshot)) if request.until_snapshot and state is None and not has_ended else None
    )
    keys = settings.keys.of_replay(request.name)
    with connect(settings.redis_url) as client:
        known = ledger.known_of(client, keys)
        if not request.replace:
            ledger.check_open(known, keys, note, request.name)
        if ends is not None:
            check_feed_ends(client, settings.keys, ends)
    began = state.until if state else ("" if request.replace else known.get("until", ""))
    until = request if ends is None else request._replace(until=ends.position)
    moment = moment_of(until, began, now_ms=time.time_ns() // 1_000_000)
    if note is not None:
        _check_made_for(settings, views, note)
    if has_ended:
        start = ReplayState(known.get("chapter", ""), began)
        chosen = resumed(root, start, views, database=settings.mongo_db) if request.into else None
    elif state is not None:
        _check_same_end(request, state)
        chosen = resumed(root, state, views, database=settings.mongo_db)
        start = state
    else:
        chosen = choose(root, folder, states, moment, views, database=settings.mongo_db, ends=ends)
        start = chosen.begin
        if states:
            _check_snapshot(settings, views, chosen, store.made_for, folder)
    asked = _asked(settings, views, root, start.chapter, moment, states)._replace(ends_apart=bool(request.into))
    course = Course(asked, start, list(states))
    return Begun(course, chosen, note, from_snapshot=bool(start.floors), has_ended=has_ended)


def _check_same_end(request: Request, state: ReplayState) -> None:
    """Raises `ConfigError` for a replay that goes on with another kind of end than it was begun with."""
    if bool(request.until_snapshot) != bool(state.ends):
        was, is_now = ("with", "without") if state.ends else ("without", "with")
        raise ConfigError(
            f"the replay {request.name} was begun {was} --until-snapshot (DBWATCH_REPLAY_UNTIL_SNAPSHOT), not "
            f"{is_now} it; call it as then, give this one another name, or begin it anew with --replace"
        )


def _check_copy(folder: Path) -> None:
    """Raises `ConfigError` when it is the folder of a job, or a snapshot that is kept, which a replay would use up."""
    if (folder / META).exists():
        raise ConfigError(
            f"recovery folder {folder}: it is a snapshot that is kept, which a replay would use up; let `dbwatch "
            "replay --from` copy it, or copy it without its snapshot.json"
        )
    label = read_label(folder)
    if label is not None and label.inode == folder.stat().st_ino:
        raise ConfigError(
            f"recovery folder {folder}: it is the job's own, which a replay must leave as it is; make a copy of it "
            "with `dbwatch snapshot save`, and replay that with `dbwatch replay --from`"
        )


def _asked(
    settings: Settings, views: Views, root: Path, chapter: str, moment: Moment, states: Mapping[str, object]
) -> Asked:
    """The engine does not let go of a partition: a snapshot's stay, also when there shall be fewer."""
    partitions = max(settings.mongo_partitions, len(states))
    if partitions > settings.mongo_partitions:
        log.warning("replay.partitions", kept=partitions, wanted=settings.mongo_partitions)
    shapes = views.shapes
    ordered = {name: shapes[name] for name in views.collections}
    return Asked(root, chapter, moment, ordered, settings.mongo_uri, settings.mongo_db, partitions)


def _check_snapshot(
    settings: Settings, views: Views, chosen: Chosen, made_for: Mapping[str, str], folder: Path
) -> None:
    """The state of a snapshot fits only the views that it was made with, and the shards."""
    way_out = "leave the snapshot out (--from): then the replay begins with the archive's image"
    if views_of(chosen.chapter.views, chosen.chapter.masks) != views:
        raise ConfigError(
            f"recovery folder {folder}: its state is of other views than those of {settings.config_path}; {way_out}"
        )
    shards = made_for.get("dbwatch_stream_shards", str(settings.stream_shards))
    if shards != str(settings.stream_shards):
        raise ConfigError(
            f"DBWATCH_STREAM_SHARDS: expected {shards!r}, with which the state in {folder} was made, found "
            f"'{settings.stream_shards}'; set it so, or {way_out}"
        )


def _check_made_for(settings: Settings, views: Views, note: Note) -> None:
    """A replay that goes on must have the settings that it was begun with."""
    now = made_with(settings, views)
    for name, value in note.made_for.items():
        if name != "dbwatch_mongo_partitions" and now.get(name) != value:
            raise ConfigError(
                f"the replay {note.name} was begun with another value of {name}; set it back, give this one another "
                "name, or begin it anew with --replace"
            )
