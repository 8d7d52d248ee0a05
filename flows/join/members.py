"""By lookup, foreign key and bucket: the subscribers beyond the first few of a foreign key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flows.join.messages import Join, Leave, Message, Routed, Spread, Update
from flows.join.plan import Plan


class MembersState(NamedTuple):
    """Row keys, each with the position at which the row came. The dictionary is never changed, only replaced."""

    members: Mapping[str, str] = {}


def apply(plan: Plan, state: MembersState, message: Message) -> tuple[MembersState, list[Routed]]:
    """Keep a subscriber, let it go, or tell all of them the newest answer."""
    match message:
        case Join(_, key, position):
            return MembersState({**state.members, key: max(position, state.members.get(key, ""))}), []
        case Leave(_, key, position, _):
            if state.members.get(key, position) > position:
                return state, []
            return MembersState({k: p for k, p in state.members.items() if k != key}), []
        case Spread():
            view = plan.views[plan.lookups[message.lookup].view]
            told = (message.fk, message.answer, message.position, message.ts_ms)
            return state, [
                (view.row_key(key), (plan.rows, Update(message.lookup, key, *told))) for key in state.members
            ]
        case _:
            raise TypeError(f"the members stage got a {type(message).__name__}")


def close(state: MembersState) -> MembersState:
    return state


def is_idle(state: MembersState) -> bool:
    return not state.members
