"""Where the partitions of a job stood in a snapshot, for a replay that ends just there. An edge: it reads a recovery
store, and asks Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import structlog
from redis import Redis

from connectors.archive.replay_state import Floor
from connectors.archive.source import Archived
from connectors.errors import ConfigError
from connectors.mongo_events import place_of
from connectors.mongo_state import SourceState, partition_number
from connectors.once import Mark
from connectors.redis_client import translated
from connectors.settings import Keys
from flows.recovery import read_label
from flows.store_states import sink_marks, source_states

log = structlog.get_logger()


class Ends(NamedTuple):
    """The chapter of the archive that the job wrote then, where each partition stood, and the sink's marks, by the
    number of the shard.
    """

    folder: Path
    job_id: str
    chapter: str
    floors: tuple[Floor, ...]
    marks: Mapping[str, Mark]

    @property
    def position(self) -> str:
        """No partition had come further."""
        return max(floor.state.position for floor in self.floors)


def read_ends(folder: Path) -> Ends:
    """What a snapshot, or another copy of a recovery folder, tells of where its job stood. Raises `ConfigError` when it
    is none, and what `ends_of` does.
    """
    label, states = read_label(folder), source_states(folder)
    if label is None or not states:
        raise ConfigError(
            f"snapshot {folder}: it holds no state of a job; name a snapshot that `dbwatch snapshot save` has made"
        )
    return ends_of(folder, label.job_id, states, sink_marks(folder))


def ends_of(folder: Path, job_id: str, states: Mapping[str, object], marks: Mapping[str, Mark]) -> Ends:
    """The ends that these states of a job's partitions, by their names, are. Raises `ConfigError` when the job kept no
    archive then, or was only beginning.
    """
    floors: list[Floor] = []
    chapters: set[str] = set()
    for name, state in sorted(states.items(), key=lambda named: partition_number(named[0])):
        if not isinstance(state, Archived) or not state.chapter or not isinstance(state.inner, SourceState):
            raise ConfigError(
                f"snapshot {folder}: its job kept no archive then, so nobody can tell where that ends; start the job "
                "with an archive, stop it, and save another snapshot"
            )
        inner = state.inner
        chapters.add(state.chapter)
        floors.append(Floor(partition_number(name), state.seq, inner))
        if inner.former or not place_of(inner.token, inner.snapshot_position).startswith("82"):
            raise _beginning(folder, "to read on after a replay")
    if len(chapters) > 1:
        raise _beginning(folder, "a chapter of its archive")
    return Ends(folder, job_id, chapters.pop(), tuple(floors), marks)


def _beginning(folder: Path, what: str) -> ConfigError:
    return ConfigError(
        f"snapshot {folder}: it is of a time at which its job began {what}; let the job run a while, stop it, and save "
        "another"
    )


def check_feed_ends(client: Redis, keys: Keys, ends: Ends) -> None:
    """Raises `ConfigError` when the job's feed says more than the snapshot knows of: whoever reads it and then what
    comes after the replay would get that twice. Where that job's feed is not there, the log says so.
    """
    with translated(f"reading {keys.job}"):
        if client.hget(keys.job, "job_id") != ends.job_id:
            log.warning("replay.feed_unchecked", snapshot=str(ends.folder), prefix=keys.prefix)
            return  # the feed of that job is not there any more
    streams = replace(keys, shards=len(ends.marks)).changes
    for shard, mark in ends.marks.items():
        stream = streams[int(shard)]
        with translated(f"reading the end of {stream}"):
            there = client.exists(stream)
            last = client.xinfo_stream(stream)["last-generated-id"] if there else mark.seen
        if last != mark.seen or mark.unreached:
            raise ConfigError(
                f"snapshot {ends.folder}: {stream} goes on after it (up to {last}, the snapshot knows of {mark.seen}): "
                "the job runs, was killed, or has run since; let it run, stop it in order, and save another snapshot. "
                "To replay up to a position, whatever the feed says, use --until"
            )
