"""What becomes of a message that a stage of the join cannot apply: a dead letter, so that the others go on. Pure.

The stage's state stays as it was before the message. That should never happen: rows are checked where they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.dead_letters import DeadLetter, error_text, event_text
from connectors.rows import loads
from flows.join.messages import (
    Candidate,
    CandidateChange,
    Join,
    Leave,
    Lost,
    Message,
    Routed,
    RowChange,
    Spread,
    Update,
    Version,
)
from flows.join.plan import Plan


def lost(plan: Plan, message: Message, error: Exception) -> list[Routed]:
    """What follows when this message could not be applied; raises the error for one that nothing can be told of."""
    match message:
        case RowChange():
            return [_letter_of_row(plan, message, error)]
        case Version():
            view = plan.views[message.change.view]
            gone = Lost(message.change.key, message.turn)
            return [letter_of_version(plan, message, error), (view.row_key(gone.key), (plan.rows, gone))]
        case Candidate() | CandidateChange() | Leave() | Join() | Update() | Spread():
            return [_letter_of_lookup(plan, message, error)]
        case _:
            raise error


def letter_of_version(plan: Plan, version: Version, error: Exception) -> Routed:
    """The letter of a row's version that could not be joined."""
    return _letter_of_row(plan, version.change, error)


def passed(plan: Plan, letter: DeadLetter) -> Routed:
    """Past all stages, to the end of the join."""
    return f"{letter.collection}\0{letter.key}", (plan.out, letter)


def _letter_of_row(plan: Plan, change: RowChange, error: Exception) -> Routed:
    event = {} if change.row is None else {"row": _value(change.row)}
    view = plan.views[change.view].view.name
    letter = DeadLetter(
        "join", view, change.key, change.op, change.position, change.ts_ms, error_text(error), event_text(event)
    )
    return passed(plan, letter)


def _letter_of_lookup(
    plan: Plan, message: Candidate | CandidateChange | Leave | Join | Update | Spread, error: Exception
) -> Routed:
    """Of a change of a looked-up row, or of what follows from one."""
    lookup = plan.lookups[message.lookup]
    key = "" if isinstance(message, Spread) else message.key
    event: Mapping[str, Any] = {"lookup": lookup.state_name, "message": type(message).__name__}
    if isinstance(message, Candidate | Update | Spread):
        event = {**event, "foreign": message.fk}
    of_row = isinstance(message, Leave | Join | Update)
    letter = DeadLetter(
        stage="join",
        collection=plan.views[lookup.view].view.name if of_row else lookup.lookup.collection,
        key=key,
        op="u",
        position=message.position,
        ts_ms=0 if isinstance(message, Leave | Join) else message.ts_ms,
        error=error_text(error),
        event=event_text(event),
    )
    return passed(plan, letter)


def _value(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return {"characters": len(text)}
