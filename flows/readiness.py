"""Whether a process is alive, and whether it does its work: reasons why not, from `Facts`. Pure."""

from __future__ import annotations

from flows.health import Facts

HANGS_AFTER_S = 30.0
"""So long may the worker be busy with one thing, such as a large snapshot, before it is called hanging."""

_SILENT_AFTER_S = 30.0


def hangs(facts: Facts) -> str | None:
    """Why the process should be replaced: its worker neither asked the source for changes nor got on with writing.

    Not before it has asked for the first time, as loading a large state may take minutes; and not while Redis is away,
    or the archive's disk is full, which holds the workers of a whole cluster back on purpose.
    """
    held = facts.held is not None or facts.archive_held is not None
    if facts.redis_away is not None or held or not facts.polled_s:
        return None
    idle_s = min(facts.polled_s.values())
    if facts.written_s is not None:
        idle_s = min(idle_s, facts.written_s)
    if idle_s <= HANGS_AFTER_S:
        return None
    return f"the dataflow has neither asked for changes nor written for {idle_s:.0f} s"


def not_ready(facts: Facts) -> list[str]:
    """Why the process does not do its work at the moment; empty when it does."""
    reasons: list[str] = []
    if facts.state == "stopped":
        reasons.append("the job is stopping")
    if not facts.partitions:
        reasons.append("the job is starting: nothing has been read yet")
    if facts.is_writer is False:
        reasons.append("this job does not hold the writer's lock")
    if facts.held is not None:
        reasons.append(f"Redis has not taken writes for {facts.held[2]:.0f} s: {facts.held[1]}")
    elif facts.redis_away is not None:
        reasons.append(f"Redis does not answer: {facts.redis_away}")
    if facts.archive_held is not None:
        reasons.append(f"the archive has not been written for {facts.archive_held[2]:.0f} s: {facts.archive_held[1]}")
    for partition in facts.partitions:
        name, away = partition.progress.partition, partition.progress.away
        if away:
            reasons.append(f"MongoDB does not answer: {away}")
        elif partition.said_s > _SILENT_AFTER_S and facts.held is None and facts.archive_held is None:
            reasons.append(f"{name} has had no word from MongoDB for {partition.said_s:.0f} s")
    hanging = hangs(facts)
    return [*reasons, *([hanging] if hanging else [])]
