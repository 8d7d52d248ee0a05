"""By row: which foreign keys a row refers to or is found by, so that what it leaves behind can be told."""

from __future__ import annotations

from typing import NamedTuple

from flows.join.messages import (
    NO_REFERENCE,
    Candidate,
    CandidateChange,
    Leave,
    Message,
    Routed,
    RowChange,
    Version,
)
from flows.join.plan import LookupPlan, Plan, ViewPlan


class KeysState(NamedTuple):
    """`refs` are the foreign keys of the newest version, None when there is no row; `turn` counts this epoch's
    versions.
    """

    refs: tuple[str | None, ...] | None = None
    turn: int = 0


def apply(plan: Plan, state: KeysState, message: Message) -> tuple[KeysState, list[Routed]]:
    """Number a row's version and send it on, or move a looked-up row from one foreign key to another."""
    match message:
        case RowChange():
            return _row(plan.views[message.view], plan, state, message)
        case CandidateChange():
            return _candidate(plan.lookups[message.lookup], state, message)
        case _:
            raise TypeError(f"the keys stage got a {type(message).__name__}")


def close(state: KeysState) -> KeysState:
    return state if state.turn == 0 else KeysState(state.refs)


def is_idle(state: KeysState) -> bool:
    """Whether there is nothing to remember, once the epoch is over."""
    return state.refs is None


def _row(view: ViewPlan, plan: Plan, state: KeysState, change: RowChange) -> tuple[KeysState, list[Routed]]:
    turn = state.turn + 1
    gone = change.op == "u" and change.row is None
    refs = state.refs if gone else change.refs
    old = state.refs or (None,) * len(view.lookups)
    current = refs or (None,) * len(view.lookups)
    out: list[Routed] = []
    for lookup, was, now in zip(view.lookups, old, current, strict=True):
        if was is not None and was != now:
            out.append(
                (lookup.value_key(was), (lookup.stage, Leave(lookup.number, change.key, change.position, turn > 1)))
            )
    new = tuple(was != now for was, now in zip(old, current, strict=True))
    version = Version(change, turn, new, ())
    out.append(next_stop(plan, view, version))
    return KeysState(refs, turn), out


def next_stop(plan: Plan, view: ViewPlan, version: Version) -> Routed:
    """Where a version goes that has its first answers: to its next foreign key or, when it has all, to its row."""
    refs = version.change.refs
    if refs is not None:
        for lookup in view.lookups[len(version.answers) :]:
            fk = refs[lookup.slot]
            if fk is not None:
                return lookup.value_key(fk), (lookup.stage, version)
            version = version.with_answer(NO_REFERENCE)
    return view.row_key(version.change.key), (plan.rows, version)


def _candidate(lookup: LookupPlan, state: KeysState, change: CandidateChange) -> tuple[KeysState, list[Routed]]:
    old = state.refs[0] if state.refs else None
    new = change.foreign
    out: list[Routed] = []
    if old is not None and old != new:
        out.append(_stand(lookup, old, change, None))
    if new is not None:
        out.append(_stand(lookup, new, change, change.text))
    return KeysState(None if new is None else (new,)), out


def _stand(lookup: LookupPlan, fk: str, change: CandidateChange, text: str | None) -> Routed:
    candidate = Candidate(lookup.number, fk, change.key, text, change.position, change.ts_ms)
    return lookup.value_key(fk), (lookup.stage, candidate)
