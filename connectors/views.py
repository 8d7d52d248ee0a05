"""What is joined with what: `View` and `Lookup`, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from connectors.changes import Change, Shape
from connectors.rows import canonical_dumps, covers, loads, project, ref_of_key, touch


@dataclass(frozen=True, slots=True)
class Lookup:
    """The row of `collection` whose `foreign` equals the row's `local`; `fields` None: all that is not masked."""

    name: str
    collection: str
    local: str
    foreign: str
    fields: tuple[str, ...] | None = None

    @property
    def by_key(self) -> bool:
        """Whether rows are looked up by their key, which never changes."""
        return self.foreign == "_id"

    def value_of(self, change: Change) -> str | None:
        """The value that a looked-up row is found by, None when it cannot be."""
        return ref_of_key(change.key) if self.by_key else change.refs.get(self.foreign)

    def chosen(self, after: str) -> str:
        """The looked-up row's chosen fields, so written that equal fields give equal text."""
        row = loads(after)
        return canonical_dumps(row if self.fields is None else project(row, self.fields))

    def touches(self, named: tuple[str, ...] | None) -> bool:
        """Whether a change of these paths can alter what this lookup shows or finds."""
        if named is None or self.fields is None:
            return True
        return touch((*self.fields, self.foreign), named)


@dataclass(frozen=True, slots=True)
class View:
    """The rows of one collection, each with its lookups."""

    name: str
    collection: str
    fields: tuple[str, ...] | None = None
    lookups: tuple[Lookup, ...] = ()

    def named(self, named: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The paths that the source named, as far as the view shows them."""
        if named is None or self.fields is None:
            return named
        return tuple(path for path in named if covers(self.fields, path))


@dataclass(frozen=True, slots=True)
class Views:
    """All views of a job; `masks` holds each collection's masked paths, wherever its rows go."""

    views: tuple[View, ...]
    masks: Mapping[str, tuple[str, ...]]

    @property
    def shapes(self) -> dict[str, Shape]:
        """What must be read of each watched collection."""
        return {name: self._shape(name) for name in self.collections}

    @property
    def whole_shapes(self) -> dict[str, Shape]:
        """The same for whoever keeps all that is not masked, with the types of the values."""
        return {name: shape._replace(fields=None, typed=True) for name, shape in self.shapes.items()}

    @property
    def collections(self) -> tuple[str, ...]:
        """The watched collections: looked-up ones first, each after those that it refers to itself."""
        looked_up = self.looked_up
        return (*looked_up, *dict.fromkeys(v.collection for v in self.views if v.collection not in looked_up))

    @property
    def looked_up(self) -> tuple[str, ...]:
        """The collections that others refer to, in an order that puts a collection after those that it refers to."""
        wanted = dict.fromkeys(lookup.collection for view in self.views for lookup in view.lookups)
        refers = {
            name: {lk.collection for v in self.views if v.collection == name for lk in v.lookups} - {name}
            for name in wanted
        }
        try:
            return tuple(name for name in TopologicalSorter(refers).static_order() if name in wanted)
        except CycleError:  # rows that refer to each other: no order is better than another
            return tuple(wanted)

    def _shape(self, collection: str) -> Shape:
        views = [v for v in self.views if v.collection == collection]
        lookups = [lk for v in self.views for lk in v.lookups if lk.collection == collection]
        chosen = [v.fields for v in views] + [lk.fields for lk in lookups]
        refs = [lk.local for v in views for lk in v.lookups] + [lk.foreign for lk in lookups]
        return Shape(
            mask=self.masks.get(collection, ()),
            fields=None if None in chosen else tuple(dict.fromkeys(f for fields in chosen for f in fields or ())),
            refs=tuple(dict.fromkeys(refs)),
            shown=_shown(lookups),
        )


def _shown(lookups: Sequence[Lookup]) -> tuple[str, ...] | None:
    """What lookups take from the rows of one collection, and find them by; None: all of it."""
    shown: dict[str, None] = {}
    for lookup in lookups:
        if lookup.fields is None:
            return None
        shown |= dict.fromkeys((*lookup.fields, lookup.foreign))
    return tuple(shown)


def views_of(views: Sequence[Mapping[str, Any]], masks: Mapping[str, Sequence[str]]) -> Views:
    """Views that were written as JSON values, by `dataclasses.asdict`."""
    return Views(tuple(_view_of(view) for view in views), {name: tuple(mask) for name, mask in masks.items()})


def _view_of(view: Mapping[str, Any]) -> View:
    lookups = tuple(_lookup_of(lookup) for lookup in view["lookups"])
    return View(view["name"], view["collection"], _paths_of(view), lookups)


def _lookup_of(lookup: Mapping[str, Any]) -> Lookup:
    return Lookup(lookup["name"], lookup["collection"], lookup["local"], lookup["foreign"], _paths_of(lookup))


def _paths_of(value: Mapping[str, Any]) -> tuple[str, ...] | None:
    fields: Sequence[str] | None = value.get("fields")
    return None if fields is None else tuple(fields)
