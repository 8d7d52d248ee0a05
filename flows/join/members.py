"""By lookup, foreign key and bucket: the subscribers beyond the first few of a foreign key."""

from __future__ import annotations

from typing import NamedTuple

from flows.join.messages import Join, Leave, Message, Routed, Spread, Update
from flows.join.plan import Plan


class MembersState(NamedTuple):
    """Row keys, each with the position at which the row came."""

    members: tuple[tuple[str, str], ...] = ()


def apply(plan: Plan, state: MembersState, message: Message) -> tuple[MembersState, list[Routed]]:
    """Keep a subscriber, let it go, or tell all of them the newest answer."""
    match message:
        case Join(_, key, position):
            came = max((p for k, p in state.members if k == key), default="")
            others = tuple(item for item in state.members if item[0] != key)
            return MembersState((*others, (key, max(position, came)))), []
        case Leave(_, key, position):
            return MembersState(tuple(m for m in state.members if m[0] != key or m[1] > position)), []
        case Spread():
            view = plan.views[plan.lookups[message.lookup].view]
            told = (message.fk, message.answer, message.position, message.ts_ms)
            return state, [
                (view.row_key(key), (plan.rows, Update(message.lookup, key, *told))) for key, _ in state.members
            ]
        case _:
            raise TypeError(f"the members stage got a {type(message).__name__}")


def close(state: MembersState) -> MembersState:
    return state


def is_idle(state: MembersState) -> bool:
    return not state.members
