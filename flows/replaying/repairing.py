"""A replay into the live stream, while its job is stopped: whether that may be, and what the job's next start is told.
An edge: it talks to Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import cast

from redis import Redis

from connectors.archive.chapter import Chapter
from connectors.errors import ConfigError, StreamLost
from connectors.once import Mark
from connectors.output_stream import OutputStream
from connectors.redis_client import translated
from connectors.settings import Keys, Settings
from connectors.stream_ids import parts
from connectors.stream_rows import least_reach
from connectors.views import Views
from connectors.writer import Lease
from flows.generations import Reread, asked_generation, request_generation
from flows.job import check_same, made_with


def check_repairable(client: Redis, settings: Settings, views: Views, chapter: Chapter, *, from_snapshot: bool) -> None:
    """Versions of records can be compared when the join's state is one that made those in the stream, or when there
    are none. Raises `ConfigError` when neither is so, or when the job has other settings.
    """
    with translated(f"reading {settings.keys.job}"):
        known = cast("dict[str, str]", client.hgetall(settings.keys.job))
    if "job_id" in known:
        check_same(known, settings, views)
    with translated("reading the streams"):
        entries = sum(client.xlen(stream) for stream in settings.keys.changes)
    if not entries:
        return
    stream = settings.keys.changes[0]
    if known.get("job_id") != chapter.job_id or int(known.get("generation", 1)) != chapter.generation:
        raise ConfigError(
            f"{stream} holds records, and {settings.keys.job} does not name the job (in its generation) whose archive "
            "is replayed; nothing was written. Replay into a stream of its own (leave --into out), or delete the "
            "stream first: then all of it is written anew"
        )
    if not from_snapshot:
        raise ConfigError(
            f"{stream} holds records: begin with a snapshot of the job (--from), whose state can be compared with "
            "them, or delete the stream first: then all of it is written anew from the archive's image"
        )


def floors_of(client: Redis, keys: Keys, marks: Mapping[str, Mark]) -> dict[str, str]:
    """Of the streams that hold records, those that were trimmed beyond the marks of a snapshot (by the number of the
    stream), and the least reach of what is left in each: what is below it was in the stream before. A stream that
    holds none has no floor.

    Raises `ConfigError` when a stream ends before what the snapshot says was written: what came in between would be
    missing for ever.
    """
    floors: dict[str, str] = {}
    with translated("reading the streams"):
        firsts = [cast("list[tuple[str, object]]", client.xrange(stream, count=1)) for stream in keys.changes]
    for number, (stream, first) in enumerate(zip(keys.changes, firsts, strict=True)):
        mark = marks.get(str(number))
        if mark is None or mark.feed or not any(firsts):
            floors[stream] = ""
            continue
        try:
            OutputStream(client, stream, None).expect_end(mark.seen, checkpointed=True)
        except StreamLost as exc:
            raise ConfigError(
                f"{stream} ends before {mark.seen}, which was written already when the snapshot was saved: Redis lost "
                "entries; begin with an older snapshot (--from), or delete the stream first: then all of it is written "
                "anew from the archive's image"
            ) from exc
        if first and parts(first[0][0]) > parts(mark.entry_id):
            floors[stream] = least_reach(client, stream)
    return floors


def ask_for_reading(
    client: Redis, lease: Lease, settings: Settings, views: Views, chapter: Chapter, *, cut: str
) -> None:
    """Let the job's next start read the collections as of where the replay has ended, and write only what differs. It
    knows its job again, also when Redis had lost that.
    """
    key = settings.keys.job
    fields: Mapping[str, str] = {"job_id": chapter.job_id, **made_with(settings, views)}
    lease.call(("HSET", key, *chain.from_iterable(fields.items())))
    generation = max(asked_generation(client, settings.keys), chapter.generation)
    with translated(f"reading {key}"):
        is_asked = client.hexists(key, "asked")
    if not is_asked:
        reread = Reread("asked", "a replay was written into the stream", cut)
        request_generation(client, settings.keys, generation, reread)
