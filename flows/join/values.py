"""By lookup and foreign key: the rows that stand there, the count `n` of their changes, and who is told of the next
one.

The first subscribers live in the state itself, later ones in buckets of the `members` stage, so that what an epoch
writes depends on what changed and not on how many subscribe. Buckets come in generations: generation g has 2**g of
them, a subscriber goes into the newest one, by a hash of its key, and none ever moves; to leave, it is looked for in
each.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flows.join.keys import next_stop
from flows.join.messages import (
    NONE,
    Answer,
    Candidate,
    Join,
    Leave,
    Message,
    Routed,
    Spread,
    Update,
    Version,
)
from flows.join.plan import LookupPlan, Plan

BUCKET = 32
"""How many subscribers the state itself holds, and how many a bucket holds on average."""

SLICE = 8
"""How many buckets are told of a change at once; the others follow slice by slice, so that nobody else has to wait."""


_NOBODY: Mapping[str, str] = {}


class CandidateRow(NamedTuple):
    """A row that can be found here: its key, its chosen fields, and the position of the version they are from."""

    key: str
    text: str
    position: str


class ValueState(NamedTuple):
    """`candidates` are sorted by key, the first is the answer. `near` holds the first subscribers with the position at
    which they came; `members` counts all. `generation` is 0 as long as no bucket is in use. `cause` is the newest
    change (position, time). `next_bucket` and `untold` say how far telling the buckets has got. `left` (only within an
    epoch) holds who may have left before it came. `place` is the lookup's name and the foreign key, once there are
    buckets: they are told on a timer, when no message says where we are. The dictionaries are never changed, only
    replaced.
    """

    n: int = 0
    candidates: tuple[CandidateRow, ...] = ()
    near: Mapping[str, str] = _NOBODY
    members: int = 0
    generation: int = 0
    cause: tuple[str, int] = ("", 0)
    next_bucket: int = 0
    untold: int = 0
    left: Mapping[str, str] = _NOBODY
    place: tuple[str, str] | None = None

    @property
    def answer(self) -> Answer:
        if not self.candidates:
            return Answer(self.n, NONE, None)
        return Answer(self.n, self.candidates[0].text, self.candidates[0].position)


def apply(plan: Plan, state: ValueState, message: Message) -> tuple[ValueState, list[Routed]]:
    """Answer a version that passes by, let a subscriber go, or take in a change of the rows that stand here."""
    match message:
        case Version():
            return _answer(plan, state, message)
        case Leave():
            return _leave(plan, state, message)
        case Candidate():
            return _change(plan, state, message)
        case _:
            raise TypeError(f"the values stage got a {type(message).__name__}")


def tell_more(plan: Plan, state: ValueState) -> tuple[ValueState, list[Routed]]:
    """Tell the next buckets the newest answer. A change in mid-way starts the count again where it stands: who is told
    late hears the newest only.
    """
    total = buckets(state.generation)
    count = min(SLICE, state.untold, total)
    if not count or state.place is None:
        return (state._replace(untold=0) if state.untold else state), []
    name, fk = state.place
    lookup = plan.by_name[name]
    spread = Spread(lookup.number, fk, state.answer, *state.cause)
    out: list[Routed] = [
        (_bucket_key(lookup, fk, (state.next_bucket + i) % total), (plan.members, spread)) for i in range(count)
    ]
    return state._replace(next_bucket=(state.next_bucket + count) % total, untold=state.untold - count), out


def close(state: ValueState) -> ValueState:
    state = state._replace(left=_NOBODY) if state.left else state
    if state.generation and state.members == len(state.near):
        return state._replace(generation=0, next_bucket=0, untold=0, place=None)
    return state


def is_idle(state: ValueState) -> bool:
    """Whether nobody stands here or subscribes. `n` outlives this for a while: see `flows.denormalize`."""
    return not (state.candidates or state.members or state.near)


def counts(state: ValueState) -> bool:
    """Whether a change was ever applied, so that `n` may stand in a record."""
    return state.n > 0


def is_due(state: ValueState) -> bool:
    """Whether subscribers remain to be told of a change."""
    return state.untold > 0


def pending(state: ValueState) -> int:
    """How many buckets of subscribers remain to be told of a change."""
    return state.untold


def buckets(generation: int) -> int:
    """How many buckets there are up to this generation."""
    return (2 << generation) - 2 if generation else 0


def _answer(plan: Plan, state: ValueState, version: Version) -> tuple[ValueState, list[Routed]]:
    change = version.change
    view = plan.views[change.view]
    lookup = view.lookups[len(version.answers)]
    met = version.with_answer(state.answer)
    out = [next_stop(plan, view, met)]
    fk = change.refs[lookup.slot] if change.refs else None
    if fk is not None and version.new[lookup.slot]:
        state, joins = _subscribe(plan, lookup, fk, state, change.key, change.position)
        out += joins
    return state, out


def _subscribe(
    plan: Plan, lookup: LookupPlan, fk: str, state: ValueState, key: str, position: str
) -> tuple[ValueState, list[Routed]]:
    members = state.members + 1
    if state.left.get(key, "") > position:
        return state._replace(members=members), []
    near = state.near
    if key in near or len(near) < BUCKET:
        # A later version may have overtaken this one: the later stay counts, or its leaving would end it too early.
        return state._replace(members=members, near={**near, key: max(position, near.get(key, ""))}), []
    generation = max(state.generation, 1)
    while members - len(state.near) > BUCKET << generation:
        generation += 1
    bucket = buckets(generation - 1) + _hash(key) % (1 << generation)
    # The buckets are counted anew: those not yet told must not be passed over.
    untold = buckets(generation) if state.untold and generation > state.generation else state.untold
    state = state._replace(members=members, generation=generation, untold=untold, place=(lookup.state_name, fk))
    return state, [(_bucket_key(lookup, fk, bucket), (plan.members, Join(lookup.number, key, position)))]


def _leave(plan: Plan, state: ValueState, leave: Leave) -> tuple[ValueState, list[Routed]]:
    members = state.members - 1
    came = state.near.get(leave.key)
    if came is not None and came <= leave.position:
        return state._replace(members=members, near={k: p for k, p in state.near.items() if k != leave.key}), []
    state = state._replace(members=members)
    if leave.early:
        left = max(leave.position, state.left.get(leave.key, ""))
        state = state._replace(left={**state.left, leave.key: left})
    if state.place is None:
        return state, []
    lookup, fk = plan.by_name[state.place[0]], state.place[1]
    return state, [(_bucket_key(lookup, fk, b), (plan.members, leave)) for b in _homes(state.generation, leave.key)]


def _change(plan: Plan, state: ValueState, candidate: Candidate) -> tuple[ValueState, list[Routed]]:
    old = next((s for s in state.candidates if s.key == candidate.key), None)
    if candidate.text == (None if old is None else old.text):
        return state, []
    others = [s for s in state.candidates if s.key != candidate.key]
    if candidate.text is not None:
        others.append(CandidateRow(candidate.key, candidate.text, candidate.position))
    state = state._replace(
        n=state.n + 1,
        candidates=tuple(sorted(others)),
        cause=(candidate.position, candidate.ts_ms),
        untold=buckets(state.generation),
    )
    lookup = plan.lookups[candidate.lookup]
    view = plan.views[lookup.view]
    told = (state.answer, *state.cause)
    out: list[Routed] = [
        (view.row_key(key), (plan.rows, Update(lookup.number, key, candidate.fk, *told))) for key in state.near
    ]
    state, more = tell_more(plan, state)
    return state, out + more


def _homes(generation: int, key: str) -> Iterator[int]:
    """The one bucket of each generation that may hold this subscriber."""
    for g in range(1, generation + 1):
        yield buckets(g - 1) + _hash(key) % (1 << g)


def _hash(key: str) -> int:
    return zlib.crc32(key.encode())


def _bucket_key(lookup: LookupPlan, fk: str, bucket: int) -> str:
    return f"{lookup.state_name}\0{bucket}\0{fk}"
