"""The past of one joined row: its versions, from its own changes and those of the rows that it referred to. Pure.

The rules are those of the live join: the row's own part and the chosen fields of the rows looked up are made by the
same functions, and of several rows that share a value the one with the smallest key is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from connectors.changes import RETRIED, Change, Op
from connectors.joined_rows import NO_REFERENCE, NONE, Answer, OwnPart, changed_between, joined, joints
from connectors.records import LookupVersion, Record, Versions
from connectors.rows import changed_paths, covers, loads
from connectors.views import Lookup, View


class PastVersion(NamedTuple):
    """One version of a joined row, and the change that made it: of the row itself or, where `cause` names a lookup, of
    a row that it referred to.

    `before` and `after` are JSON text, as the feed has them; None when there was no row, or it is unknown. `changed`,
    on `u`, are the leaf paths in which they differ or, without `before`, those that the source named; None when it
    named none. `is_first`: a chapter begins with it; what was before is not told.
    """

    op: Op
    position: str
    ts_ms: int
    cause: str | None
    before: str | None
    after: str | None
    changed: tuple[str, ...] | None
    is_first: bool = False


class Happened(NamedTuple):
    """A change that may concern the row: its own (`slot` None), or of a row that its lookup of this number found or
    could find. `seq` and `n` order the changes of one key that have one position.
    """

    change: Change
    slot: int | None
    seq: int
    n: int


def versions_of(view: View, happened: Iterable[Happened], *, begin: str) -> Iterator[PastVersion]:
    """All versions of a joined row, in order, from what happened in a chapter that begins at `begin`.

    Every change of the row is one; so is a change of the rows it referred to that altered what is shown of them. What
    happened up to `begin` is what the chapter began with, and makes one version: it is known as of then, not before.
    """
    row = _Row(view)
    ordered = sorted(happened, key=_order)
    first = [one for one in ordered if one.change.position <= begin]
    version = row.found(first)
    if version is not None:
        yield version
    for _, group in groupby(ordered[len(first) :], key=_position):
        yield from row.versions(list(group))


def _order(one: Happened) -> tuple[str, bool, int, int, int]:
    """Rows that are referred to go before those that refer to them, for a row may refer to itself."""
    return one.change.position, one.slot is None, one.seq, one.n, -1 if one.slot is None else one.slot


def _position(one: Happened) -> str:
    return one.change.position


class _Standing(NamedTuple):
    """What is shown of a looked-up row, and the change that it is from."""

    text: str
    change: Change


class _Candidates:
    """The rows that one lookup can find, by the value that they are found by."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._standing: dict[str, dict[str, _Standing]] = {}
        self._value: dict[str, str | None] = {}

    def apply(self, change: Change) -> None:
        """Take in a change of one of these rows; of one that could not be read, nothing is known."""
        if change.op == "u" and (change.after is None or self._is_aside(change)):
            return
        value = None if change.after is None else self._lookup.value_of(change)
        old = self._value.pop(change.key, None)
        if old is not None and old != value:
            del self._standing[old][change.key]
        if change.after is not None:
            self._value[change.key] = value
            if value is not None:
                self._stand(value, change, self._lookup.chosen(change.after))

    def _is_aside(self, change: Change) -> bool:
        return change.key in self._value and not self._lookup.touches(change.named)

    def _stand(self, value: str, change: Change, text: str) -> None:
        there = self._standing.setdefault(value, {})
        known = there.get(change.key)
        if known is None or known.text != text:  # or else it is still the version that stands there
            there[change.key] = _Standing(text, change)

    def under(self, value: str | None) -> _Standing | None:
        """The row that is found by this value."""
        there = None if value is None else self._standing.get(value)
        return there[min(there)] if there else None

    def answer(self, value: str | None) -> Answer:
        """What is shown of it in the row that refers to it."""
        if value is None:
            return NO_REFERENCE
        found = self.under(value)
        return (0, value, None, NONE) if found is None else (0, value, found.change.position, found.text)

    def shows_since(self, value: str | None) -> Change | None:
        """The change by which the row that is found shows what it shows, as far as that is certain from this change
        alone.
        """
        found = self.under(value)
        if found is None:
            return None
        change = found.change
        same = change.before is not None and self._lookup.chosen(change.before) == found.text
        return None if same or (change.op == "u" and not self._lookup.touches(change.named)) else change


class _Row:
    """A joined row, as it stands after what happened so far. `_unread`: a later version of it was gone before it could
    be read; a delete follows, and until then nothing is told of the rows that it referred to.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        names = [lookup.name for lookup in view.lookups]
        self._own = OwnPart(names, view.fields)
        self._joints = joints(names)
        self._candidates = [_Candidates(lookup) for lookup in view.lookups]
        self._now: Change | None = None
        self._text: str | None = None
        self._unread = False

    def found(self, happened: Sequence[Happened]) -> PastVersion | None:
        """The version that the chapter begins with, made by the latest change that is known to have altered it."""
        for one in happened:
            if one.slot is not None:
                self._candidates[one.slot].apply(one.change)
        own = [one.change for one in happened if one.slot is None]
        if not own or own[-1].after is None:
            return None
        self._now = now = own[-1]
        self._text = self._joined(now)
        cause, latest = None, now
        for lookup, candidates in zip(self._view.lookups, self._candidates, strict=True):
            since = candidates.shows_since(now.refs.get(lookup.local))
            if since is not None and since.position > latest.position:
                cause, latest = lookup.name, since
        op: Op = now.op if cause is None else "u"
        named = self._view.named(now.named) if cause is None and op == "u" else None
        return PastVersion(op, latest.position, latest.ts_ms, cause, None, self._text, named, is_first=True)

    def versions(self, happened: Sequence[Happened]) -> Iterator[PastVersion]:
        """What the changes at one position make: one version for each of the row's own or, without one, one if they
        alter what is shown.
        """
        causes: dict[str, Change] = {}
        for one in happened:
            if one.slot is not None:
                self._candidates[one.slot].apply(one.change)
                causes[self._view.lookups[one.slot].name] = one.change
        own = [one.change for one in happened if one.slot is None]
        for change in own:
            yield from self._changed(change)
        if not own and self._now is not None:
            yield from self._caused(self._now, causes)

    def _joined(self, own: Change) -> str | None:
        if own.after is None:
            return None
        answers = [
            candidates.answer(own.refs.get(lookup.local))
            for lookup, candidates in zip(self._view.lookups, self._candidates, strict=True)
        ]
        text = self._own.of(own.after)
        return joined(text, self._joints, answers) if answers else text

    def _caused(self, now: Change, causes: Mapping[str, Change]) -> Iterator[PastVersion]:
        before, after = self._text, self._joined(now)
        if before is None or after is None or before == after:
            return
        self._text = after
        if self._unread:
            return
        changed = tuple(changed_paths(loads(before), loads(after)))
        cause = next(name for path in changed for name in causes if covers((name,), path))
        change = causes[cause]
        yield PastVersion("u", change.position, change.ts_ms, cause, before, after, changed)

    def _changed(self, change: Change) -> Iterator[PastVersion]:
        before, after = self._text, self._joined(change)
        if change.position.endswith(RETRIED) and after == before and not self._unread:
            return  # it was read again, and is what was known of it
        if change.op == "d":
            self._now, self._text = None, None
        elif after is not None:
            self._now, self._text = change, after
        self._unread = change.op != "d" and after is None
        named = self._view.named(change.named)
        changed = changed_between(before, after, named) if change.op == "u" else None
        yield PastVersion(change.op, change.position, change.ts_ms, None, before, after, changed)


def record_of(view: str, key: str, version: PastVersion, lookups: Iterable[str]) -> Record:
    """The version as a record, for whoever shows records; of its versions only the names of the lookups are true."""
    versions = Versions(version.position, dict.fromkeys(lookups, LookupVersion(0, None, None)))
    op: Op = "u" if version.is_first and version.changed is not None else version.op
    row = (version.before, version.after, version.changed, version.cause)
    return Record(view, op, key, version.ts_ms, version.position, versions, *row)


def values_looked_up(view: View, own: Iterable[Change]) -> Mapping[int, set[str]]:
    """The values that the row referred to in any of its versions, by the number of the lookup."""
    found: dict[int, set[str]] = {slot: set() for slot in range(len(view.lookups))}
    for change in own:
        for slot, lookup in enumerate(view.lookups):
            value = change.refs.get(lookup.local)
            if value is not None:
                found[slot].add(value)
    return found
