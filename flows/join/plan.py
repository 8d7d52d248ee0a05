"""The views as the stages of the join need them: numbered, with the stage that each lookup is answered in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from connectors.changes import Change
from connectors.joined_rows import NO_REFERENCE, OwnPart, changed_between, joints
from connectors.records import Record, Versions
from connectors.rows import ref_of_key
from flows.join.messages import Candidate, CandidateChange, Routed, Version
from flows.join.shards import shard_of
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
        return self.lookup.by_key

    def chosen(self, after: str) -> str:
        """The looked-up row's chosen fields, so written that equal fields give equal text."""
        return self.lookup.chosen(after)

    def touches(self, named: tuple[str, ...] | None) -> bool:
        """Whether a change of these paths can alter what this lookup shows or finds."""
        return self.lookup.touches(named)


@dataclass(frozen=True)
class ViewPlan:
    """One view: `narrow` when its rows are less than what is read of its collection."""

    number: int
    view: View
    narrow: bool
    lookups: tuple[LookupPlan, ...]

    @cached_property
    def locals(self) -> tuple[str, ...]:
        """The path of each lookup's foreign key in the row."""
        return tuple(p.lookup.local for p in self.lookups)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each lookup, which is its field in the joined row."""
        return tuple(p.lookup.name for p in self.lookups)

    @cached_property
    def joints(self) -> tuple[str, ...]:
        """What comes before each lookup's answer in the joined row."""
        return joints(self.names)

    @cached_property
    def _own(self) -> OwnPart:
        return OwnPart(self.names, self.view.fields if self.narrow else None)

    def row(self, text: str | None) -> str | None:
        """The row's own part of the record: the view's fields, and none that a lookup's name stands for."""
        return None if text is None else self._own.of(text)

    def named(self, named: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The paths that the source named, as far as the view shows them."""
        return self.view.named(named)


class Plan:
    """Where every change goes first, and where the stages are: keys, then values, then rows, then out."""

    def __init__(self, views: Views, *, whole: bool = False) -> None:
        """`whole`: changes come with all fields that are not masked, whatever the views need."""
        shapes = views.whole_shapes if whole else views.shapes
        self.lookups: list[LookupPlan] = []
        self.views: list[ViewPlan] = []
        for view in views.views:
            plans = tuple(self._lookup(view, slot) for slot in range(len(view.lookups)))
            narrow = view.fields is not None and view.fields != shapes[view.collection].fields
            self.views.append(ViewPlan(len(self.views), view, narrow, plans))
        self.rows = FIRST_VALUES + max((len(v.lookups) for v in self.views), default=0)
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
            if view.lookups:
                out.append((KEYS, shard_of(change.key), _version(view, change)))
            else:
                out.append((self.out, "", _plain(view, change)))
        return out

    def _candidate(self, plan: LookupPlan, change: Change) -> list[Routed]:
        if change.op == "u" and not plan.touches(change.named):
            return []
        text = None if change.after is None else plan.chosen(change.after)
        if plan.by_key:
            return [stand(plan, ref_of_key(change.key), change, text)]
        foreign = None if text is None else change.refs.get(plan.lookup.foreign)
        moved = CandidateChange(plan.number, change.key, foreign, text, change.position, change.ts_ms)
        return [(KEYS, shard_of(change.key), moved)]


def stand(lookup: LookupPlan, fk: str, change: Change | CandidateChange, text: str | None) -> Routed:
    """A looked-up row is told to a foreign key: that it stands there with this text or, None, that it does not."""
    candidate = Candidate(lookup.number, fk, change.key, text, change.position, change.ts_ms)
    return lookup.stage, shard_of(fk), candidate


def next_stop(plan: Plan, view: ViewPlan, version: Version) -> Routed:
    """Where a version goes that has its first answers: to its next foreign key or, when it has all, to its row."""
    refs, answers = version.refs, version.answers
    if refs is not None:
        for lookup in view.lookups[len(answers) :]:
            fk = refs[lookup.slot]
            if fk is not None:
                return FIRST_VALUES + lookup.slot, shard_of(fk), version
            answers.append(NO_REFERENCE)
    return plan.rows, shard_of(version.key), version


def _version(view: ViewPlan, change: Change) -> Version:
    refs = None
    if change.after is not None:
        find = change.refs.get
        refs = tuple([find(path) for path in view.locals])
    return Version(
        view.number,
        change.key,
        change.op,
        change.position,
        change.ts_ms,
        view.row(change.after),
        view.named(change.named),
        refs,
    )


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
