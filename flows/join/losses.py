"""What becomes of a message that a stage of the join cannot apply: a dead letter, so that the others go on. Pure.

The stage's state stays as it was before the message. That should never happen: rows are checked where they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.dead_letters import DeadLetter, Emitted, error_text, event_text, letter_of_change
from connectors.rows import loads
from flows.join.messages import Candidate, CandidateChange, Leave, Lost, Message, Routed, Update, Version
from flows.join.plan import Plan
from flows.join.shards import shard_of


def lost(plan: Plan, message: Message, error: Exception) -> list[Routed]:
    """What follows when this message could not be applied; raises the error for one that nothing can be told of."""
    match message:
        case Version(turn=0):  # not numbered yet, so nothing waits for it
            return [passed(plan, letter_of_version(plan, message, error))]
        case Version():
            gone = Lost(message.view, message.key, message.turn, message.refs)
            letter = passed(plan, letter_of_version(plan, message, error))
            return [letter, (plan.rows, shard_of(message.key), gone)]
        case Candidate() | CandidateChange():
            return [passed(plan, _letter_of_lookup(plan, message, message.key, error))]
        case Leave():
            return [passed(plan, _letter_of_lookup(plan, message, message.key, error))]
        case Update():
            return [passed(plan, letter_of_update(plan, message, key, error)) for key in message.keys]
        case _:
            raise error


def routed(plan: Plan, item: Emitted) -> Sequence[Routed]:
    """The first step of what a source emitted; a change that cannot be routed becomes a dead letter."""
    if isinstance(item, DeadLetter):
        return (passed(plan, item),)
    try:
        return plan.route(item)
    except Exception as exc:
        return (passed(plan, letter_of_change(item, exc)),)


def passed(plan: Plan, letter: DeadLetter) -> Routed:
    """Past all stages, to the end of the join."""
    return plan.out, "", letter


def letter_of_version(plan: Plan, version: Version, error: Exception) -> DeadLetter:
    """The letter of a row's version that could not be joined."""
    event = {} if version.row is None else {"row": _value(version.row)}
    view = plan.views[version.view].view.name
    return DeadLetter(
        "join", view, version.key, version.op, version.position, version.ts_ms, error_text(error), event_text(event)
    )


def letter_of_update(plan: Plan, update: Update, key: str, error: Exception) -> DeadLetter:
    """The letter of a row that could not be joined with a new answer."""
    return _letter_of_lookup(plan, update, key, error)


def _letter_of_lookup(
    plan: Plan, message: Candidate | CandidateChange | Leave | Update, key: str, error: Exception
) -> DeadLetter:
    """Of a change of a looked-up row, or of what follows from one."""
    lookup = plan.lookups[message.lookup]
    event: Mapping[str, Any] = {"lookup": lookup.state_name, "message": type(message).__name__}
    if isinstance(message, Candidate | Leave):
        event = {**event, "foreign": message.fk}
    if isinstance(message, Update):
        event = {**event, "foreign": message.answer[1]}
    return DeadLetter(
        stage="join",
        collection=plan.views[lookup.view].view.name
        if isinstance(message, Leave | Update)
        else lookup.lookup.collection,
        key=key,
        op="u",
        position=message.position,
        ts_ms=0 if isinstance(message, Leave) else message.ts_ms,
        error=error_text(error),
        event=event_text(event),
    )


def _value(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return {"characters": len(text)}
