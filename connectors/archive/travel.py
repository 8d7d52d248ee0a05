"""Time travel: what a joined row was at a moment and what made it so, and all its versions. An edge: it reads files.

Of the row, and of each row that it referred to, the versions are found by key; which rows a value stands for, by the
column of that value. Nothing else is read, so the cost hardly depends on how much there is in the archive.
"""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from connectors.archive.chapter import Chapter
from connectors.archive.key_forms import key_forms
from connectors.archive.moment import LAST, Moment
from connectors.archive.past import Happened, PastVersion, values_looked_up, versions_of
from connectors.archive.ranges import Recorded, covering, recorded_of, require_within
from connectors.archive.schema import change_of
from connectors.archive.versions import Span, Versions
from connectors.changes import Change, Shape
from connectors.errors import ConfigError
from connectors.joined_rows import changed_between
from connectors.mongo_events import position_ms
from connectors.rows import loads, ref_of_key
from connectors.shaping import Shaper, shaper
from connectors.views import Lookup, View, views_of

EVER = "f" * 16 + LAST
"""Sorts after every position."""

_BEFORE = 3
"""Of a row's own versions so many tell how it stood, and before that: the last may only say again what was known."""

_T = TypeVar("_T")


class Past(NamedTuple):
    """A joined row as it was at a moment. `row` is JSON text; None when this version of the row was gone before the
    source could read it. `made_by` is the last change that altered it.
    """

    view: str
    key: str
    row: str | None
    made_by: PastVersion


class Gap(NamedTuple):
    """Between these positions nothing was recorded: what happened then is not known one by one."""

    begin: str
    end: str


class Absence(NamedTuple):
    """Of a row that did not exist at a moment: its delete before it, and what made it after it, if anything did."""

    deleted: Change | None
    appeared: Change | None


class Travel:
    """An archive, to be asked. Every call raises `ConfigError`, which names the range that is there, for a moment of
    which the archive cannot tell, and for a view or a key that is none. A job may write to the archive meanwhile.
    """

    def __init__(self, root: Path, *, database: Callable[[], str] = str) -> None:
        """`database` tells which is asked of, where jobs that have this folder watch several."""
        self._root = root
        self._database = database
        self._versions = Versions(root)

    def recorded(self, view: str | None = None) -> list[Recorded]:
        """The stretches of time that it can tell of (of this view, or of any), in order, each with its chapter."""
        return recorded_of(self._root, self._spans(), tells=lambda chapter: view is None or _has(chapter, view))

    def newest(self, view: str | None = None) -> Moment:
        """The last moment that is recorded."""
        return Moment(self.recorded(view)[-1].until)

    def moment(self, text: str, *, now_ms: int, view: str | None = None) -> Moment:
        """What a person wrote, with `now` for the last that is recorded. Raises `ConfigError` also for a moment that is
        still to come, by this machine's clock; that of the database may be ahead.
        """
        newest = self.newest(view)
        if text.strip().lower() == "now":
            return newest
        moment = Moment.parse(text, now_ms=now_ms)
        if moment.upper[:16] > newest.upper[:16]:
            moment.require_past(now_ms=now_ms)
        return moment

    def moment_within(self, text: str, *, now_ms: int, view: str | None = None) -> Moment:
        """The same for an end of a history: raises `ConfigError` also before the archive begins, and after its end."""
        moment = self.moment(text, now_ms=now_ms, view=view)
        require_within(self.recorded(view), moment)
        return moment

    def views(self, name: str) -> list[View]:
        """What the view of this name was, in each chapter that had it."""
        found = (_view_of(stretch.chapter, name) for stretch in self.recorded(name))
        return [of for of in found if of is not None]

    def lookups(self, view: str) -> tuple[str, ...]:
        """The names of the rows that a view's rows were ever joined with, which are fields of theirs."""
        return tuple(dict.fromkeys(lookup.name for of in self.views(view) for lookup in of.lookups))

    def row_at(self, view: str, key: str, moment: Moment) -> Past | None:
        """The row as joined at that moment, as the feed has it; None when there was none."""
        return self._unfolded(lambda: self._row_at(view, key, moment))

    def absence(self, view: str, key: str, moment: Moment) -> Absence:
        """When a row that was not there at a moment had been deleted, and when it appeared."""
        recorded = self.recorded(view)
        found = self._key(recorded, view, key)
        deleted: Change | None = None
        for stretch in recorded if found is not None else ():
            of = _view_of(stretch.chapter, view)
            own = self._changes(stretch, of.collection, found, _refs_of(of), Moment(EVER)) if of and found else []
            for change in (one.change for one in own):
                if not moment.includes(change.position, change.ts_ms):
                    return Absence(deleted, change)
                deleted = change if change.op == "d" else None
        return Absence(deleted, None)

    def history(
        self, view: str, key: str, *, since: Moment | None = None, until: Moment | None = None
    ) -> Iterator[PastVersion | Gap]:
        """All versions of the joined row, in order, of all that is recorded, or from one moment to another; and between
        them, where nothing was recorded.
        """
        recorded = self.recorded(view)
        _known_view(view, recorded)
        found = self._key(recorded, view, key)
        last: Recorded | None = None
        stood: str | None = None
        for stretch in recorded if found is not None else ():
            if _view_of(stretch.chapter, view) is None or found is None or _is_outside(stretch, since, until):
                continue
            gap = None if last is None or last.reaches(stretch) else Gap(last.until, stretch.begin)
            for version in _continued(self._all(stretch, view, found), stretch, last, stood):
                stood = version.after
                if _is_between(version, since, until):
                    if gap is not None:
                        yield gap
                        gap = None
                    yield version
            last = stretch

    def _row_at(self, view: str, text: str, moment: Moment) -> Past | None:
        recorded = self.recorded(view)
        stretch = covering(recorded, moment, set_back=self._versions.set_back)
        of = _view_of(stretch.chapter, view)
        if of is None:
            raise _no_view(view, [stretch])
        key = self._key([stretch], view, text)
        if key is None:
            return None
        own = self._changes(stretch, of.collection, key, _refs_of(of), moment)[-_BEFORE:]
        happened = self._with_looked_up(stretch, of, own, moment)
        last = next(iter(deque(versions_of(of, happened, begin=stretch.begin), maxlen=1)), None)
        return None if last is None or last.op == "d" else Past(view, key, last.after, last)

    def _all(self, stretch: Recorded, view: str, key: str) -> list[PastVersion]:
        """All versions of a row in a stretch. What a fold of old hours makes of its chapter meanwhile does not matter:
        then its first version is a later one.
        """
        return self._unfolded(lambda: self._all_now(stretch, view, key))

    def _all_now(self, stretch: Recorded, view: str, key: str) -> list[PastVersion]:
        until = Moment(stretch.until)
        now = next((one for one in self.recorded(view) if one.chapter.name == stretch.chapter.name), None)
        of = None if now is None else _view_of(now.chapter, view)
        if now is None or of is None:
            return []
        own = self._changes(now, of.collection, key, _refs_of(of), until)
        return list(versions_of(of, self._with_looked_up(now, of, own, until), begin=now.begin))

    def _with_looked_up(
        self, stretch: Recorded, of: View, own: Sequence[Happened], moment: Moment
    ) -> Iterator[Happened]:
        yield from own
        for slot, values in values_looked_up(of, [one.change for one in own]).items():
            lookup = of.lookups[slot]
            shape = shaper(Shape(refs=(lookup.foreign,)))
            keys = {key for value in values for key in self._found_by(stretch, lookup, value, moment)}
            for key in sorted(keys):
                for one in self._changes(stretch, lookup.collection, key, shape, moment):
                    yield one._replace(slot=slot)

    def _found_by(self, stretch: Recorded, lookup: Lookup, value: str, moment: Moment) -> set[str]:
        """The keys of all rows that a lookup could find by a value until then."""
        if lookup.by_key and "$number" not in value and ref_of_key(value) == value:
            return {value}  # a value that is no number stands for one key only
        return self._versions.keys_with(stretch.chapter, lookup.collection, lookup.foreign, value, upper=moment.upper)

    def _changes(self, stretch: Recorded, collection: str, key: str, shape: Shaper, moment: Moment) -> list[Happened]:
        """A key's changes until then: the first that is later, in the order of positions, ends them."""
        found: list[Happened] = []
        begin = stretch.begin
        for row in self._versions.versions(stretch.chapter, collection, key, upper=moment.upper):
            if row["position"] > begin and not moment.includes(row["position"], row["ts_ms"]):
                break
            change = change_of(row, collection=collection, shaper=shape)
            found.append(Happened(change, None, row["seq"], row["n"]))
        return found

    def _key(self, recorded: Sequence[Recorded], view: str, text: str) -> str | None:
        """The key that is meant, None when there is no row of it in any of these; what has but one meaning is not
        looked up.
        """
        forms = key_forms(text)
        if len(forms) == 1:
            return forms[0]
        found = [form for form in forms if any(self._is_there(stretch, view, form) for stretch in recorded)]
        if len(found) > 1:
            listed = " and ".join(f"'{form}'" for form in found)
            raise ConfigError(f"{text!r} can mean several keys of {view}: {listed}; give the one that you mean in full")
        return found[0] if found else None

    def _is_there(self, stretch: Recorded, view: str, key: str) -> bool:
        of = _view_of(stretch.chapter, view)
        if of is None:
            return False
        return bool(self._versions.last(stretch.chapter, of.collection, key, Moment(EVER)))

    def _unfolded(self, found: Callable[[], _T]) -> _T:
        """What is found while no chapter's beginning moves: if one does, what was read may be of before and after."""
        while True:
            begins = self._begins()
            answer = found()
            if begins == self._begins():
                return answer

    def _begins(self) -> list[tuple[str, str]]:
        return [(span.chapter.name, span.begin) for span in self._spans()]

    def _spans(self) -> list[Span]:
        """The chapters of one database. Raises `ConfigError` when it must be told which."""
        spans = self._versions.spans()
        databases = sorted({span.chapter.database for span in spans})
        if len(databases) <= 1:
            return spans
        database = self._database()
        if database not in databases:
            raise ConfigError(
                f"archive folder {self._root}: it holds the databases {', '.join(databases)}, and not {database!r}; "
                "name one of them in MONGO_DB"
            )
        return [span for span in spans if span.chapter.database == database]


def _continued(
    versions: Sequence[PastVersion], stretch: Recorded, last: Recorded | None, stood: str | None
) -> Iterator[PastVersion]:
    """The versions of a chapter; with its first the row is told anew, as of the chapter's beginning. After an earlier
    chapter, in which the row stood like this in the end, what that says is held against it.
    """
    first = versions[0] if versions and versions[0].is_first else None
    if first is None and stood is not None:
        yield PastVersion("d", stretch.begin, position_ms(stretch.begin), None, stood, None, None, is_first=True)
    if first is not None and last is not None:
        same = stood is not None and first.after is not None and loads(stood) == loads(first.after)
        if not (same and last.reaches(stretch)):
            changed = changed_between(stood, first.after, None) if stood is not None else first.changed
            yield first._replace(before=stood, changed=changed)
        versions = versions[1:]
    yield from versions


def _is_outside(stretch: Recorded, since: Moment | None, until: Moment | None) -> bool:
    ended = since is not None and stretch.until < since.upper[:8]
    return ended or (until is not None and until.upper < stretch.begin)


def _is_between(version: PastVersion, since: Moment | None, until: Moment | None) -> bool:
    if until is not None and not until.includes(version.position, version.ts_ms):
        return False
    return since is None or not since.is_after(version.position, version.ts_ms)


def _refs_of(of: View) -> Shaper:
    return shaper(Shape(refs=tuple(dict.fromkeys(lookup.local for lookup in of.lookups))))


def _view_of(chapter: Chapter, name: str) -> View | None:
    return next((view for view in views_of(chapter.views, chapter.masks).views if view.name == name), None)


def _has(chapter: Chapter, view: str) -> bool:
    return any(one["name"] == view for one in chapter.views)


def _known_view(name: str, recorded: Sequence[Recorded]) -> None:
    if not any(_has(stretch.chapter, name) for stretch in recorded):
        raise _no_view(name, recorded)


def _no_view(name: str, recorded: Sequence[Recorded]) -> ConfigError:
    names = list(dict.fromkeys(view["name"] for stretch in recorded for view in stretch.chapter.views))
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return ConfigError(f"{name!r} was no view of the job then{hint}; it had {', '.join(names)}")
