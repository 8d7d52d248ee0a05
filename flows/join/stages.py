"""The stages by number: the one place that knows which functions serve which stage."""

from __future__ import annotations

from typing import Any

from flows.join import keys, members, rows, values
from flows.join.messages import Message, Routed
from flows.join.plan import KEYS, Plan

_NO_VALUE = values.ValueState()


class Stages:
    """What can be done with the state of any key of any stage."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._modules: dict[int, Any] = {KEYS: keys, plan.members: members, plan.rows: rows}
        self._empty: dict[int, Any] = {
            KEYS: keys.KeysState(),
            plan.members: members.MembersState(),
            plan.rows: rows.RowState(),
        }

    def empty(self, stage: int) -> Any:
        """The state of a key that nothing is known of."""
        return self._empty.get(stage, _NO_VALUE)

    def apply(self, stage: int, state: Any, message: Message) -> tuple[Any, list[Routed]]:
        """The new state, and what to do next, in order."""
        return self._module(stage).apply(self._plan, state, message)

    def close(self, stage: int, state: Any) -> Any:
        """The state at the end of an epoch, when nothing is in flight."""
        return self._module(stage).close(state)

    def is_idle(self, stage: int, state: Any) -> bool:
        """Whether the state holds nothing that a later epoch needs at once."""
        return self._module(stage).is_idle(state)

    def is_forgotten(self, stage: int, state: Any) -> bool:
        """Whether the state equals that of a key never seen, so that dropping it changes nothing."""
        return self.is_idle(stage, state) and not self.counts(state)

    def counts(self, state: Any) -> bool:
        """Whether the state holds a count that has to outlive its use for a while."""
        return isinstance(state, values.ValueState) and state.n > 0

    def is_due(self, _stage: int, state: Any) -> bool:
        """Whether subscribers remain to be told of a change."""
        return isinstance(state, values.ValueState) and state.untold > 0

    def on_timer(self, _stage: int, state: Any, *, all_at_once: bool = False) -> tuple[Any, list[Routed]]:
        """Tell the next subscribers, or all that remain."""
        return values.tell_more(self._plan, state, **({"most": state.untold} if all_at_once else {}))

    def _module(self, stage: int) -> Any:
        return self._modules.get(stage, values)
