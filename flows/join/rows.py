"""By row: put its versions back in order, join each with its answers, and join again when an answer changes."""

from __future__ import annotations

from typing import NamedTuple

from connectors.changes import RETRIED
from connectors.records import LookupVersion, Record, Versions
from flows.join.differences import changed_between, changed_by_answer, joined
from flows.join.losses import letter_of_version
from flows.join.messages import NO_REFERENCE, Answer, Lost, Message, Routed, RowChange, Update, Version
from flows.join.plan import Plan, ViewPlan


class Current(NamedTuple):
    """The row version that stands in the feed: its text, its foreign keys and its answers.

    `gone`: a later version exists that could not be read; a delete follows, and until then nothing is told of answers.
    """

    position: str
    row: str
    refs: tuple[str | None, ...]
    answers: tuple[Answer, ...]
    gone: bool = False


class RowState(NamedTuple):
    """`current` None: there is no row. The rest matters only within an epoch: `turn` of the last version that left,
    versions that `wait` for an earlier one, and `early` answers, newest by lookup and foreign key."""

    current: Current | None = None
    turn: int = 0
    wait: tuple[Version | Lost, ...] = ()
    early: tuple[tuple[int, str, Answer], ...] = ()


def apply(plan: Plan, state: RowState, message: Message) -> tuple[RowState, list[Routed]]:
    """Take in a version or an answer; out come the records that this completes, in order."""
    match message:
        case Version() | Lost():
            return _settle(plan, state, (*state.wait, message))
        case Update():
            return _update(plan, state, message)
        case _:
            raise TypeError(f"the rows stage got a {type(message).__name__}")


def close(state: RowState) -> RowState:
    """Nothing is in flight: no version waits, and no answer can be ahead of its row."""
    if state.wait:
        raise RuntimeError(f"turn {state.turn + 1} of a row did not arrive in its epoch")
    return RowState(state.current) if state.turn or state.early else state


def is_idle(state: RowState) -> bool:
    return state.current is None


def pending(state: RowState) -> int:
    """How many versions wait for their turn."""
    return len(state.wait)


def _settle(plan: Plan, state: RowState, wait: tuple[Version | Lost, ...]) -> tuple[RowState, list[Routed]]:
    """Let go of the versions whose turn it is; the others wait. One that cannot be joined leaves the row as it was."""
    out: list[Routed] = []
    while (version := next((v for v in wait if v.turn == state.turn + 1), None)) is not None:
        current = state.current
        if isinstance(version, Version):
            try:
                current, record = _next_version(plan.views[version.change.view], state, version)
                out.append(_out(plan, record))
            except Exception as exc:
                out.append(letter_of_version(plan, version, exc))
        state = RowState(current, version.turn, (), state.early)
        wait = tuple(v for v in wait if v is not version) if len(wait) > 1 else ()
    return (state._replace(wait=wait) if wait else state), out


def _next_version(view: ViewPlan, state: RowState, version: Version) -> tuple[Current | None, Record]:
    old, change = state.current, version.change
    before = None if old is None else _text(view, old)
    if change.op == "d":
        return None, _record(view, change, _unjoined(view, change.position), before, None)
    if old is not None and change.position.endswith(RETRIED) and _is_known(old, change):
        return old, _record(view, change, _versions(view, old), before, before)
    if change.row is None or change.refs is None:
        current = None if old is None else old._replace(position=change.position, gone=True)
        versions = _unjoined(view, change.position) if current is None else _versions(view, current)
        return current, _record(view, change, versions, before, None)
    answers = version.answers
    if old is not None or state.early:
        answers = tuple(_newest(state, slot, fk, answers[slot]) for slot, fk in enumerate(change.refs))
    current = Current(change.position, change.row, change.refs, answers)
    return current, _record(view, change, _versions(view, current), before, _text(view, current))


def _is_known(old: Current, change: RowChange) -> bool:
    """Whether a row that was read again is the version that stands in the feed, or should: it stays that version."""
    return not old.gone and change.row == old.row and change.refs == old.refs


def _newest(state: RowState, slot: int, fk: str | None, answer: Answer) -> Answer:
    """The newest answer known for one lookup of a version: answers may overtake the row that they are for."""
    if fk is None:
        return NO_REFERENCE
    known = [a for s, ref, a in state.early if s == slot and ref == fk]
    if state.current is not None and state.current.refs[slot] == fk:
        known.append(state.current.answers[slot])
    return max((answer, *known), key=_n)


def _update(plan: Plan, state: RowState, update: Update) -> tuple[RowState, list[Routed]]:
    lookup = plan.lookups[update.lookup]
    view, slot, fk, answer = plan.views[lookup.view], lookup.slot, update.fk, update.answer
    early = tuple(e for e in state.early if e[:2] != (slot, fk) or e[2].n > answer.n)
    if len(early) == len(state.early) and any(e[:2] == (slot, fk) for e in early):
        return state, []
    state = state._replace(early=(*early, (slot, fk, answer)))
    current = state.current
    if current is None or current.refs[slot] != fk or answer.n <= current.answers[slot].n:
        return state, []
    answers = tuple(answer if i == slot else a for i, a in enumerate(current.answers))
    renewed = current._replace(answers=answers)
    state = state._replace(current=renewed)
    if current.gone:
        return state, []
    name = lookup.lookup.name
    record = Record(
        view=view.view.name,
        op="u",
        key=update.key,
        ts_ms=update.ts_ms,
        position=update.position,
        versions=_versions(view, renewed),
        before=_text(view, current),
        after=_text(view, renewed),
        changed=changed_by_answer(name, current.answers[slot], answer),
        cause=name,
    )
    return state, [_out(plan, record)]


def _record(view: ViewPlan, change: RowChange, versions: Versions, before: str | None, after: str | None) -> Record:
    """The one record of a row's own change."""
    return Record(
        view=view.view.name,
        op=change.op,
        key=change.key,
        ts_ms=change.ts_ms,
        position=change.position,
        versions=versions,
        before=before,
        after=after,
        changed=changed_between(before, after, change.named) if change.op == "u" else None,
    )


def _text(view: ViewPlan, current: Current) -> str:
    return joined(current.row, [p.lookup.name for p in view.lookups], current.answers)


def _versions(view: ViewPlan, current: Current) -> Versions:
    return Versions(
        current.position,
        {
            p.lookup.name: LookupVersion(answer.n, ref, answer.position)
            for p, ref, answer in zip(view.lookups, current.refs, current.answers, strict=True)
        },
    )


def _unjoined(view: ViewPlan, position: str) -> Versions:
    """The versions of a row that is no more, or that nothing is known of: it refers to nothing."""
    return Versions(position, {p.lookup.name: LookupVersion(0, None, None) for p in view.lookups})


def _n(answer: Answer) -> int:
    return answer.n


def _out(plan: Plan, record: Record) -> Routed:
    return f"{record.view}\0{record.key}", (plan.out, record)
