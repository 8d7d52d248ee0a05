"""What is found of the servers, the job and its recovery folder, before anything is made of it. Pure.

A fact may be `Unknown`: the user of the address may not see it, or the server does not tell.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Unknown(NamedTuple):
    """Why a fact could not be had; `denied`: a privilege is missing."""

    reason: str
    denied: bool = False


class Member(NamedTuple):
    """A member of the replica set; `state` as MongoDB names it."""

    name: str
    state: str
    votes: bool = True


class Collection(NamedTuple):
    """A collection that the views name; `kind` is `collection`, `view`, …, or empty when it is not there. `images`: it
    has pre- and post-images, None when its user may not see that.
    """

    name: str
    kind: str
    images: bool | None = False
    rows: int = 0


class Oplog(NamedTuple):
    """Unix times in seconds of the oldest and the newest entry; bytes used, and bytes that it may have (None: not
    told).
    """

    first_s: int
    last_s: int
    used: int | None = None
    most: int | None = None


class MongoFacts(NamedTuple):
    """`refusal`: why nothing can be said, in the words of the start of a job; then the rest is empty. `skew_ms`: how
    far the server's clock is ahead of ours.
    """

    refusal: str = ""
    kind: str = ""
    version: tuple[int, ...] = ()
    members: tuple[Member, ...] | Unknown = ()
    privileges: str = ""
    collections: tuple[Collection, ...] | Unknown = ()
    snapshot_window_s: int | Unknown = 300
    oplog: Oplog | Unknown = Unknown("")
    skew_ms: int = 0


class StreamFacts(NamedTuple):
    """One output stream: entries, and bytes in Redis (None: not told)."""

    name: str
    length: int
    memory: int | None = None


class RedisFacts(NamedTuple):
    """`refusal` as in `MongoFacts`; `write_refusal`: why Redis does not take a write."""

    refusal: str = ""
    name: str = "Redis"
    version: tuple[int, ...] = ()
    is_cluster: bool = False
    is_primary: bool = True
    policy: str = "noeviction"
    memory: int = 0
    most_memory: int = 0
    appends: bool = True
    fsync: str | Unknown = "everysec"
    saves: bool | Unknown = True
    last_save_ok: bool = True
    last_append_ok: bool = True
    write_refusal: str = ""
    denied: tuple[str, ...] = ()
    streams: tuple[StreamFacts, ...] | Unknown = ()
    skew_ms: int = 0


class JobFacts(NamedTuple):
    """What `P:job` and `P:health` say. `speaks`: a process told its figures while we looked. `job_id` is empty when
    there is no job. Times are Unix milliseconds.
    """

    job_id: str = ""
    speaks: bool = False
    states: frozenset[str] = frozenset()
    position_ms: int | None = None
    lag_ms: int = 0
    holding_reason: str = ""
    writer: str = ""
    writer_seen_ms: int | None = None
    redis_ms: int = 0
    dead_letters: int | Unknown = 0
    users: int | Unknown = 0


class StoreFacts(NamedTuple):
    """The recovery folder. `refusal`: why the engine could not use it; `is_there`: it has partition files.
    `committed_ms` is when a file of it was last written.
    """

    folder: str
    refusal: str = ""
    is_there: bool = False
    job_id: str | None = None
    partitions: int = 0
    size: int = 0
    committed_ms: int = 0
    now_ms: int = 0


class Facts(NamedTuple):
    """All of it. `maxlen` is DBWATCH_STREAM_MAXLEN."""

    mongo: MongoFacts
    redis: RedisFacts
    job: JobFacts
    store: StoreFacts
    maxlen: int = 100_000


def known(fact: T | Unknown) -> T | None:
    """The fact, None when it is unknown."""
    return None if isinstance(fact, Unknown) else fact
