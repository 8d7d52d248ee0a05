"""The views as the stages of the join need them: numbered, with the stage that each lookup is answered in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from connectors.changes import Change
from connectors.records import Record, Versions
from connectors.rows import canonical_dumps, covers, dumps, loads, project, ref_of_key, touch, without
from flows.join.differences import changed_between
from flows.join.messages import Candidate, CandidateChange, Message, Routed, RowChange
from flows.views import Lookup, View, Views

KEYS = 0
FIRST_VALUES = 1


@dataclass(frozen=True)
class LookupPlan:
    """One lookup of one view: `number` is its place among all lookups, `slot` among those of its view."""

    number: int
    slot: int
    view: int
    lookup: Lookup
    state_name: str

    @property
    def stage(self) -> int:
        return FIRST_VALUES + self.slot

    @property
    def by_key(self) -> bool:
        """Whether rows are looked up by their key, which never changes, so that nothing has to be remembered to find
        it.
        """
        return self.lookup.foreign == "_id"

    def value_key(self, fk: str) -> str:
        return f"{self.state_name}\0{fk}"

    def chosen(self, after: str) -> str:
        """The looked-up row's chosen fields, so written that equal fields give equal text."""
        row = loads(after)
        fields = self.lookup.fields
        return canonical_dumps(row if fields is None else project(row, fields))

    def touches(self, named: tuple[str, ...] | None) -> bool:
        """Whether a change of these paths can alter what this lookup shows or finds."""
        fields = self.lookup.fields
        if named is None or fields is None:
            return True
        return touch((*fields, self.lookup.foreign), named)


@dataclass(frozen=True)
class ViewPlan:
    """One view: `narrow` when its rows are less than what is read of its collection."""

    number: int
    view: View
    narrow: bool
    lookups: tuple[LookupPlan, ...]

    def row_key(self, key: str) -> str:
        return f"{self.view.name}\0{key}"

    def row(self, text: str | None) -> str | None:
        """The row's own part of the record: the view's fields, and none that a lookup's name stands for."""
        if text is None:
            return None
        names = [p.lookup.name for p in self.lookups if f'"{p.lookup.name}":' in text]
        if not self.narrow and not names:
            return text
        row = loads(text)
        if self.view.fields is not None:
            row = project(row, self.view.fields)
        return dumps(without(row, names) if names else row)

    def named(self, named: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The paths that the source named, as far as the view shows them."""
        fields = self.view.fields
        if named is None or fields is None:
            return named
        return tuple(p for p in named if covers(fields, p))


class Plan:
    """Where every change goes first, and where the stages are: keys, then values, then members, then rows, then out."""

    def __init__(self, views: Views) -> None:
        shapes = views.shapes
        self.lookups: list[LookupPlan] = []
        self.views: list[ViewPlan] = []
        for view in views.views:
            plans = tuple(self._lookup(view, slot) for slot in range(len(view.lookups)))
            narrow = view.fields is not None and view.fields != shapes[view.collection].fields
            self.views.append(ViewPlan(len(self.views), view, narrow, plans))
        self.by_name = {p.state_name: p for p in self.lookups}
        self.members = FIRST_VALUES + max((len(v.lookups) for v in self.views), default=0)
        self.rows = self.members + 1
        self.out = self.rows + 1

    def _lookup(self, view: View, slot: int) -> LookupPlan:
        lookup = view.lookups[slot]
        plan = LookupPlan(
            number=len(self.lookups),
            slot=slot,
            view=len(self.views),
            lookup=lookup,
            state_name=f"{view.name}.{lookup.name}",
        )
        self.lookups.append(plan)
        return plan

    @cached_property
    def _views_of(self) -> dict[str, list[ViewPlan]]:
        return {c: [v for v in self.views if v.view.collection == c] for c in {v.view.collection for v in self.views}}

    @cached_property
    def _lookups_into(self) -> dict[str, list[LookupPlan]]:
        return {
            c: [p for p in self.lookups if p.lookup.collection == c]
            for c in {p.lookup.collection for p in self.lookups}
        }

    def route(self, change: Change) -> list[Routed]:
        """The first step of a change: for the rows that look it up, for the views it is a row of.

        Candidates go first, so that a row that refers to itself is not joined with what it was before.
        """
        out: list[Routed] = []
        if change.op != "u" or change.after is not None:
            for plan in self._lookups_into.get(change.collection, ()):
                out += self._candidate(plan, change)
        for view in self._views_of.get(change.collection, ()):
            out.append(
                self._joined(view, change)
                if view.lookups
                else (view.row_key(change.key), (self.out, _plain(view, change)))
            )
        return out

    def _candidate(self, plan: LookupPlan, change: Change) -> list[Routed]:
        if change.op == "u" and not plan.touches(change.named):
            return []
        text = None if change.after is None else plan.chosen(change.after)
        if plan.by_key:
            fk = ref_of_key(change.key)
            candidate = Candidate(plan.number, fk, change.key, text, change.position, change.ts_ms)
            return [(plan.value_key(fk), (plan.stage, candidate))]
        foreign = None if text is None else change.refs.get(plan.lookup.foreign)
        moved = CandidateChange(plan.number, change.key, foreign, text, change.position, change.ts_ms)
        return [(f"{plan.state_name}\1{change.key}", (KEYS, moved))]

    def _joined(self, view: ViewPlan, change: Change) -> Routed:
        refs = None
        if change.after is not None:
            refs = tuple(change.refs.get(p.lookup.local) for p in view.lookups)
        message: Message = RowChange(
            view.number,
            change.key,
            change.op,
            change.position,
            change.ts_ms,
            view.row(change.after),
            view.named(change.named),
            refs,
        )
        return view.row_key(change.key), (KEYS, message)


def _plain(view: ViewPlan, change: Change) -> Record:
    """The record of a row without lookups: what the source says of it is all there is to say."""
    before, after = view.row(change.before), view.row(change.after)
    return Record(
        view=view.view.name,
        op=change.op,
        key=change.key,
        ts_ms=change.ts_ms,
        position=change.position,
        versions=Versions(change.position, {}),
        before=before,
        after=after,
        changed=changed_between(before, after, view.named(change.named)) if change.op == "u" else None,
    )
