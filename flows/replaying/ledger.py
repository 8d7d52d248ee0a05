"""What Redis knows of a replay: the hash `P:replay:NAME:job`, which is its lock as well. An edge: it talks to Redis."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import cast

import orjson
from redis import Redis

from connectors.errors import ConfigError
from connectors.lease import WRITER_FIELDS
from connectors.redis_client import translated
from connectors.settings import Keys
from connectors.writer import Command, Lease
from flows.pulse import now_ms
from flows.replaying.note import Note
from flows.replaying.tally import Summary

RUNNING, FINISHED = "running", "finished"

Known = Mapping[str, str]


def known_of(client: Redis, keys: Keys) -> Known:
    """What is known of the replay whose keys these are; nothing when there was none."""
    with translated(f"reading {keys.job}"):
        return cast("dict[str, str]", client.hgetall(keys.job))


def check_open(known: Known, keys: Keys, note: Note | None, name: str) -> None:
    """Raises `ConfigError` when the replay cannot begin or go on: one of this name has come to its end, or Redis and
    the recovery store do not know the same one.
    """
    if note is not None and note.name != name:
        raise ConfigError(
            f"the recovery folder is that of the replay {note.name}, not of {name}; name another folder, or that replay"
        )
    if note is not None and known.get("replay_id") != note.replay_id:
        raise ConfigError(
            f"{keys.job} does not know the replay {name} that the recovery folder holds the state of: Redis lost its "
            "data, or it is another Redis or DBWATCH_PREFIX; begin the replay anew with --replace"
        )
    if known.get("state") == FINISHED and (note is None or note.cut):
        raise ConfigError(
            f"{keys.changes[0]}: a replay of this name has come to its end already; read it, give this one another "
            "name with --name, or write it anew with --replace"
        )


def claim(lease: Lease, keys: Keys, known: Known, replay_id: str, asked: Mapping[str, str]) -> str:
    """Write down what is asked for, before anything is emitted; the replay's id, which is that of the one that goes on
    if there is one. Raises `ConfigError` when that was asked for something else.
    """
    text = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS).decode()
    if "replay_id" not in known:
        fields = {"replay_id": replay_id, "state": RUNNING, "began_ms": str(now_ms()), "asked": text, **asked}
        lease.call(("HSET", keys.job, *chain.from_iterable(fields.items())))
        return replay_id
    before: dict[str, str] = orjson.loads(known.get("asked", "{}"))
    for name, value in asked.items():
        if before.get(name, "") != value:
            raise ConfigError(
                f"{keys.job}: the unfinished replay of this name was begun with {name} = {before.get(name)!r}, not "
                f"{value!r}; give this one another name with --name, or begin it anew with --replace"
            )
    return known["replay_id"]


def note_run(lease: Lease, keys: Keys, summary: Summary, cut: str) -> None:
    """Add what a run has done; with a `cut` the replay has come to its end."""
    counts = {"written": sum(summary.written.values()), "left_out": summary.left_out, "letters": summary.letters}
    commands: list[Command] = [("HINCRBY", keys.job, name, count) for name, count in counts.items()]
    if cut:
        fields = {"state": FINISHED, "cut": cut, "ended_ms": str(now_ms())}
        commands.append(("HSET", keys.job, *chain.from_iterable(fields.items())))
    lease.call(*commands)


def forget(client: Redis, lease: Lease, keys: Keys) -> None:
    """Take away what a replay of this name has written, whatever its shards were."""
    stream = keys.job.removesuffix(":job")
    with translated(f"looking for what the replay {keys.replay} has left"):
        found = [key for key in cast("list[str]", client.keys(f"{_escaped(stream)}*")) if _is_of(key, stream)]
    fields = [name for name in known_of(client, keys) if name not in WRITER_FIELDS]
    commands: list[Command] = [("DEL", key) for key in found if key != keys.job]
    if fields:
        commands.append(("HDEL", keys.job, *fields))
    lease.call(*commands)


def _is_of(key: str, stream: str) -> bool:
    rest = key.removeprefix(stream)
    return rest in ("", ":deadletter") or (rest.startswith(":") and rest[1:].isdecimal())


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]^\\" else c for c in text)
