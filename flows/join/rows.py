"""By row: which foreign keys it refers to, its versions in their order, and joining them with the answers.

A shard holds many rows, and is visited twice: where a change of a row begins (`number`, `move`) and where its version
comes back with the answers (`settle`, `update`). What counts versions within an epoch is only of use until it ends, for
then nothing is in flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from connectors.changes import RETRIED
from connectors.joined_rows import NO_REFERENCE, Answer, changed_between, changed_by_answer, joined
from connectors.records import Record, Versions
from flows.join.levels import Levels
from flows.join.losses import letter_of_update, letter_of_version, passed
from flows.join.messages import (
    CandidateChange,
    Leave,
    Lost,
    Message,
    Noted,
    Refs,
    Routed,
    Update,
    Version,
    lookup_version,
)
from flows.join.parts import Part, Table
from flows.join.plan import Plan, ViewPlan, next_stop, stand
from flows.join.shards import shard_of

Current = tuple[str, str | None, tuple[Answer, ...], bool, Refs | None]
"""The row version that stands in the feed, `(position, row, answers, gone, lost)`: its text and its answers, which say
what it refers to. A plain tuple, which is pickled quickly.

`gone`: a later version exists that could not be read; a delete follows, and until then nothing is told of answers.
`lost`: the foreign keys of the newest version if that could not be joined, for it subscribed to them. `row` None: there
is no row in the feed, only such a version.
"""


def refs_of(current: Current) -> Refs:
    """The foreign keys that the newest version of the row subscribed to."""
    _, _, answers, _, lost = current
    return tuple([answer[1] for answer in answers]) if lost is None else lost


class _OfView:
    """The rows of one view. Within an epoch: how many versions of a row were sent off and what the last of them refers
    to, how many came back, those that `wait` for an earlier one, and answers that came before their row.
    """

    __slots__ = ("back", "early", "plan", "rows", "sent", "wait")

    def __init__(self, plan: ViewPlan) -> None:
        self.plan = plan
        self.rows: Table[Current] = Table(unpack=_unpacked, part=_answers, patched=_with_answers)
        self.sent: dict[str, tuple[int, Refs | None]] = {}
        self.back: dict[str, int] = {}
        self.wait: dict[str, list[Version | Lost]] = {}
        self.early: dict[str, list[tuple[int, Answer]]] = {}


class RowShard:
    """The rows of one shard, of all views with lookups, and which foreign key a looked-up row stands under if that is
    not its own key.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._of_view = {view.number: _OfView(view) for view in plan.views if view.lookups}
        self._stands = {p.number: Table[str]() for p in plan.lookups if not p.by_key}
        parts: dict[str, Part] = {f"rows {of.plan.view.name}": of.rows for of in self._of_view.values()}
        parts |= {f"stands {plan.lookups[number].state_name}": table for number, table in self._stands.items()}
        self.levels = Levels(parts)

    def __len__(self) -> int:
        """How many rows are kept."""
        return sum(len(of.rows) for of in self._of_view.values())

    @property
    def found(self) -> int:
        """Of how many looked-up rows it is kept under which foreign key they stand."""
        return sum(map(len, self._stands.values()))

    @property
    def pending(self) -> int:
        """How many versions wait for their turn."""
        return sum(len(wait) for of in self._of_view.values() for wait in of.wait.values())

    def begin(self, message: Message, out: list[Routed]) -> None:
        """Number a row's version and send it on, or move a looked-up row from one foreign key to another."""
        if isinstance(message, Version):
            self._number(message, out)
        elif isinstance(message, CandidateChange):
            self._move(message, out)
        else:
            raise TypeError(f"the keys stage got a {type(message).__name__}")

    def end(self, message: Message, out: list[Routed]) -> None:
        """Take in a version or an answer; out come the records that this completes, in order."""
        if isinstance(message, Version | Lost):
            self._settle(message, out)
        elif isinstance(message, Update):
            self._update(message, out)
        elif isinstance(message, Noted):
            pass  # it has brought us here, where the slots to be written are named
        else:
            raise TypeError(f"the rows stage got a {type(message).__name__}")

    def close(self) -> None:
        """The epoch ends: no version waits, and no answer can be ahead of its row."""
        for of in self._of_view.values():
            if of.wait:
                raise RuntimeError(
                    f"a version of {of.plan.view.name} {next(iter(of.wait))} did not arrive in its epoch"
                )
            of.sent.clear()
            of.back.clear()
            of.early.clear()

    def resume(self) -> None:
        """The state was read back: nothing of it was under way."""
        _known.cache_clear()

    def _number(self, version: Version, out: list[Routed]) -> None:
        of = self._of_view[version.view]
        key, refs = version.key, version.refs
        sent = of.sent.get(key)
        if sent is not None:
            turn, was = sent
        else:
            turn, current = 0, of.rows.get(key)
            was = None if current is None else refs_of(current)
        left: list[Routed] = []
        if version.row is None and version.op == "u":  # the row was gone when it was looked up
            refs = was
        elif was is not None:
            for lookup in of.plan.lookups:
                fk = was[lookup.slot]
                if fk is not None and (refs is None or refs[lookup.slot] != fk):
                    leave = Leave(lookup.number, fk, key, version.position, turn > 0)
                    left.append((lookup.stage, shard_of(fk), leave))
        stop = next_stop(self._plan, of.plan, version)
        version.turn = turn + 1
        of.sent[key] = (turn + 1, refs)
        out += left
        out.append(stop)

    def _move(self, change: CandidateChange, out: list[Routed]) -> None:
        lookup, stands = self._plan.lookups[change.lookup], self._stands[change.lookup]
        old, new = stands.get(change.key), change.foreign
        if old is not None and old != new:
            out.append(stand(lookup, old, change, None))
        if new is not None:
            out.append(stand(lookup, new, change, change.text))
        if old != new:
            stands.put(change.key, new)
            out.append((self._plan.rows, shard_of(change.key), Noted()))

    def _settle(self, version: Version | Lost, out: list[Routed]) -> None:
        """Let go of the versions whose turn it is; the others wait."""
        of, key = self._of_view[version.view], version.key
        turn = of.back.get(key, 0) + 1
        if version.turn != turn:
            of.wait.setdefault(key, []).append(version)
            return
        self._join(of, version, out)
        of.back[key] = turn
        if of.wait and key in of.wait:
            wait = sorted(of.wait.pop(key), key=_turn)
            while wait and wait[0].turn == turn + 1:
                turn += 1
                self._join(of, wait.pop(0), out)
                of.back[key] = turn
            if wait:
                of.wait[key] = wait

    def _join(self, of: _OfView, version: Version | Lost, out: list[Routed]) -> None:
        """Make the record of a version; one that cannot be joined leaves the row as it was."""
        if isinstance(version, Version):
            try:
                current, record = self._next(of, version)
            except Exception as exc:
                out.append(passed(self._plan, letter_of_version(self._plan, version, exc)))
                self._lose(of, version.key, version.refs)
            else:
                of.rows.put(version.key, current)
                out.append((self._plan.out, "", record))
        else:
            self._lose(of, version.key, version.refs)

    def _lose(self, of: _OfView, key: str, refs: Refs | None) -> None:
        """The newest version of the row is not in the feed, and has subscribed to these foreign keys."""
        position, row, answers, gone, _ = of.rows.get(key) or _NO_ROW
        of.rows.put(key, (position, row, answers, gone, refs or (None,) * len(of.plan.lookups)))

    def _next(self, of: _OfView, version: Version) -> tuple[Current | None, Record]:
        """What stands in the feed after this version, and its record."""
        view, key, position = of.plan, version.key, version.position
        old = of.rows.get(key)
        if old is not None and old[1] is None:
            old = None
        before = None if old is None else _text(view, old)
        if version.op == "d":
            return None, _record(view, version, _unjoined(view, position), before, None)
        row, refs = version.row, version.refs
        if old is not None and position.endswith(RETRIED) and not old[3] and _is_same(old, row, refs):
            # Read again, and it is the version that stands in the feed, or should: it stays that version.
            return (*old[:4], None), _record(view, version, _versions(view, old), before, before)
        if row is None or refs is None:
            current = None if old is None else (position, old[1], old[2], True, None)
            versions = _unjoined(view, position) if current is None else _versions(view, current)
            return current, _record(view, version, versions, before, None)
        answers = tuple(version.answers)
        early = of.early.get(key) if of.early else None
        if old is not None or early:
            answers = tuple([_newest(old, early or (), slot, answer) for slot, answer in enumerate(answers)])
        current = (position, row, answers, False, None)
        return current, _record(view, version, _versions(view, current), before, _text(view, current))

    def _update(self, update: Update, out: list[Routed]) -> None:
        lookup = self._plan.lookups[update.lookup]
        of = self._of_view[lookup.view]
        for key in update.keys:
            try:
                record = self._updated(of, lookup.slot, key, update)
            except Exception as exc:
                out.append(passed(self._plan, letter_of_update(self._plan, update, key, exc)))
            else:
                if record is not None:
                    out.append((self._plan.out, "", record))

    def _updated(self, of: _OfView, slot: int, key: str, update: Update) -> Record | None:
        answer, view = update.answer, of.plan
        sent = of.sent.get(key)
        if sent is not None and sent[0] > of.back.get(key, 0):
            # A version is on its way, and may have met an older answer.
            of.early.setdefault(key, []).append((slot, answer))
        current = of.rows.get(key)
        if current is None or current[1] is None:
            return None
        position, row, answers, gone, lost = current
        old = answers[slot]
        if old[1] != answer[1] or answer[0] <= old[0]:
            return None
        renewed: Current = (position, row, (*answers[:slot], answer, *answers[slot + 1 :]), gone, lost)
        record = None
        if not gone:
            name = view.names[slot]
            record = Record(
                view.view.name,
                "u",
                key,
                update.ts_ms,
                update.position,
                _versions(view, renewed),
                _text(view, current),
                _text(view, renewed),
                changed_by_answer(name, old, answer),
                name,
            )
        of.rows.patch(key, renewed)
        return record


def _answers(current: Current) -> tuple[Answer, ...]:
    return current[2]


def _with_answers(current: Current, answers: tuple[Answer, ...]) -> Current:
    position, row, _, gone, lost = current
    return position, row, tuple(map(_known, answers)), gone, lost


def _unpacked(current: Current) -> Current:
    return _with_answers(current, current[2])


@lru_cache(maxsize=1 << 16)
def _known(answer: Answer) -> Answer:
    """The same object for equal answers, of which there are far fewer than rows: or else a state that was read back
    would be nearly twice as large as one that grew.
    """
    return answer


_NO_LOOKUP = lookup_version(NO_REFERENCE)
_NO_ROW: Current = ("", None, (), False, None)


def _is_same(old: Current, row: str | None, refs: Refs | None) -> bool:
    return row == old[1] and refs == tuple([answer[1] for answer in old[2]])


def _newest(old: Current | None, early: Sequence[tuple[int, Answer]], slot: int, answer: Answer) -> Answer:
    """The newest answer known for one lookup of a version: answers may overtake the row that they are for."""
    fk = answer[1]
    if fk is None:
        return answer
    if old is not None:
        known = old[2][slot]
        if known[1] == fk and known[0] > answer[0]:
            answer = known
    for s, known in early:
        if s == slot and known[1] == fk and known[0] > answer[0]:
            answer = known
    return answer


def _record(view: ViewPlan, version: Version, versions: Versions, before: str | None, after: str | None) -> Record:
    """The one record of a row's own change."""
    changed = changed_between(before, after, version.named) if version.op == "u" else None
    return Record(
        view.view.name,
        version.op,
        version.key,
        version.ts_ms,
        version.position,
        versions,
        before,
        after,
        changed,
    )


def _text(view: ViewPlan, current: Current) -> str:
    return joined(current[1] or "", view.joints, current[2])


def _versions(view: ViewPlan, current: Current) -> Versions:
    lookups = {name: lookup_version(answer) for name, answer in zip(view.names, current[2], strict=True)}
    return Versions(current[0], lookups)


def _unjoined(view: ViewPlan, position: str) -> Versions:
    """The versions of a row that is no more, or that nothing is known of: it refers to nothing."""
    return Versions(position, dict.fromkeys(view.names, _NO_LOOKUP))


def _turn(version: Version | Lost) -> int:
    return version.turn
