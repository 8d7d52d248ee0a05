"""The stages in the order in which a message can meet them: what each does with a key's state, bound to a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flows.join import keys, members, rows, values
from flows.join.messages import Message, Routed
from flows.join.plan import FIRST_VALUES, KEYS, Plan

Applied = tuple[Any, list[Routed]]
"""The new state, and what to do next, in order."""


def _never(_state: Any) -> bool:
    return False


def _none(_state: Any) -> int:
    return 0


def _nothing_due(state: Any) -> Applied:
    return state, []


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. States are immutable; `empty` is that of a key that nothing is known of.

    `apply` takes in one message. `close` gives the state at the end of an epoch, when nothing is in flight. An idle
    state holds nothing that a later epoch needs at once; if it `counts` as well, it must outlive its use for a while. A
    state that `is_due` has more to tell when a timer fires: `on_timer` tells a slice of it. `pending` counts what waits
    in a state, for those who watch the job.

    State is kept under `name`: a later version must not change it.
    """

    number: int
    name: str
    empty: Any
    apply: Callable[[Any, Message], Applied]
    close: Callable[[Any], Any]
    is_idle: Callable[[Any], bool]
    counts: Callable[[Any], bool] = _never
    is_due: Callable[[Any], bool] = _never
    on_timer: Callable[[Any], Applied] = _nothing_due
    pending: Callable[[Any], int] = _none


def stages_of(plan: Plan) -> list[Stage]:
    """All stages of a plan, by number."""
    lookups = [
        Stage(
            number=number,
            name=f"values_{number}",
            empty=values.ValueState(),
            apply=partial(values.apply, plan),
            close=values.close,
            is_idle=values.is_idle,
            counts=values.counts,
            is_due=values.is_due,
            on_timer=partial(values.tell_more, plan),
            pending=values.pending,
        )
        for number in range(FIRST_VALUES, plan.members)
    ]
    return [
        Stage(KEYS, "keys", keys.KeysState(), partial(keys.apply, plan), keys.close, keys.is_idle),
        *lookups,
        Stage(
            plan.members,
            "members",
            members.MembersState(),
            partial(members.apply, plan),
            members.close,
            members.is_idle,
        ),
        Stage(
            plan.rows,
            "rows",
            rows.RowState(),
            partial(rows.apply, plan),
            rows.close,
            rows.is_idle,
            pending=rows.pending,
        ),
    ]
