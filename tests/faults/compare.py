"""Holds the feed against what really happened, record by record, and names every difference. Pure.

It knows the contract of a record and nothing else of the project.
"""

from __future__ import annotations

import base64
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from bson.decimal128 import Decimal128
from bson.objectid import ObjectId

from tests.acceptance.oracle import MOVIE_FIELDS, SECRET, Document, Entry, RowKey, forward, key_of
from tests.faults.truth import Truth, Version, alive, surely_alive


class Terms(NamedTuple):
    """What the round was like.

    `starts` are the positions at which the collections were read, in order; more than one only if history was lost, and
    then changes before the last may have been passed over. `images`: the collections have pre- and post-images.
    `trimmed`: the stream may lack the record that a later one follows, so that `before` may be unknown. `complete`: the
    stream begins with the first reading, which came to its end and lost nothing. `set_aside` are the
    positions of changes that are dead letters.
    """

    starts: tuple[str, ...]
    images: bool = True
    trimmed: bool = False
    complete: bool = True
    set_aside: frozenset[str] = frozenset()


@dataclass
class Outcome:
    """What was found: differences in words, and how much was compared."""

    differences: list[str] = field(default_factory=list[str])
    counted: Counter[str] = field(default_factory=Counter[str])


class Lookup(NamedTuple):
    """A part of a comment that is another row's: in which collection, which of its fields, and which row it must be."""

    collection: str
    fields: tuple[str, ...]
    refers: Callable[[Document, Document], bool]


def _is_film_of(comment: Document, movie: Document) -> bool:
    return key_of(movie["_id"]) == key_of(comment.get("movie_id"))


def _is_author_of(comment: Document, user: Document) -> bool:
    return bool(user["email"] == comment.get("email"))


LOOKUPS: Mapping[str, Lookup] = {
    "movie": Lookup("movies", MOVIE_FIELDS, _is_film_of),
    "user": Lookup("users", ("name",), _is_author_of),
}


def compare(feed: Sequence[Entry], truth: Truth, joined: Mapping[RowKey, Document], terms: Terms) -> Outcome:
    """`joined` is the batch join of the database as it is now: what the last record of each row must hold."""
    outcome = Outcome()
    by_row: defaultdict[RowKey, list[Entry]] = defaultdict(list)
    for entry in feed:
        by_row[entry.row_key].append(entry)
        if SECRET in json.dumps(dict(entry.fields)):
            outcome.differences.append(f"{entry.row_key}: a masked value stands in {entry.id}")
    for row_key in {*by_row, *truth.rows(), *joined}:
        entries = by_row.get(row_key, [])
        said = _Row(row_key, entries, truth, terms, outcome.counted).differences()
        last = entries[-1].json("after") if entries else None
        if last != joined.get(row_key):
            said.append(f"the last record holds {last}, the batch join {joined.get(row_key)}")
        outcome.differences += [f"{row_key}: {what}" for what in said]
    outcome.counted["records"] = len(feed)
    outcome.counted["rows"] = len(joined)
    return outcome


class _Row:
    """The records of one row, walked through beside its versions."""

    def __init__(
        self, row_key: RowKey, entries: list[Entry], truth: Truth, terms: Terms, counted: Counter[str]
    ) -> None:
        self._row_key = row_key
        self._entries = entries
        self._truth = truth
        self._versions = truth.of(row_key)
        self._terms = terms
        self._counted = counted
        self._done = -1  # the version that the feed has come to
        self._row_before: Document | None = None
        self._unknown = False
        self._said: list[str] = []

    def differences(self) -> list[str]:
        before: Entry | None = None
        for entry in self._entries:
            self._walk(entry, before)
            self._check_joined(entry)
            before = entry
            self._unknown = entry.fields["op"] != "d" and "after" not in entry.fields
            self._row_before = entry.json("after")
        self._pass_over(len(self._versions))
        self._check_snapshot_rows()
        for a, b in pairwise(self._entries):
            if not forward(a, b):
                self._say(f"{b.id} is not forward of {a.id}: {a.fields['versions']} then {b.fields['versions']}")
        return self._said

    def _say(self, what: str) -> None:
        self._said.append(what)

    def _walk(self, entry: Entry, before: Entry | None) -> None:
        position = str(entry.json("versions")["row"])
        if "cause" in entry.fields:
            self._counted["caused"] += 1
            again = position in self._terms.starts[1:]
            if before is None or (before.json("versions")["row"] != position and not again):
                self._say(f"{entry.id} has a cause, but its row version {position} is not that of the record before")
        elif entry.fields["op"] == "r" or (entry.fields["op"] == "d" and position in self._terms.starts[1:]):
            self._counted["read"] += 1
            self._read(entry, before, position)
        else:
            self._counted["own"] += 1
            self._change(entry, position)
        self._check_own_part(entry)
        self._check_before(entry)

    def _read(self, entry: Entry, before: Entry | None, position: str) -> None:
        """A row as it was when the collections were read."""
        found = [self._versions.index(version) for version in alive(self._versions, position)]
        after = entry.json("after")
        found = [i for i in found if _stamp(self._versions[i].row) == _stamp(after)]
        if position not in self._terms.starts or not found:
            self._say(f"{entry.id} says that at {position} there was {after}")
            return
        self._pass_over(found[0])
        if position != self._terms.starts[0] and found[0] > self._done:
            self._counted["passed over"] += 1
        self._done = max(self._done, found[0])
        if position != self._terms.starts[0]:
            self._counted["repaired"] += 1
            if before is not None and before.fields.get("after") == entry.fields.get("after") and not self._unknown:
                self._say(f"{entry.id} was written although nothing differs from {before.id}")

    def _change(self, entry: Entry, position: str) -> None:
        """A change of the row itself."""
        matching = [i for i, version in enumerate(self._versions) if version.may_be_at(position)]
        following = [i for i in matching if i > self._done]
        if not following:
            self._say(
                f"{entry.id} is a second record for the change at {position}"
                if matching
                else f"{entry.id} tells of a change at {position} that never was"
            )
            return
        self._pass_over(following[0])
        self._done = following[0]
        old, new = self._row(self._done - 1), self._row(self._done)
        op = "d" if new is None else "c" if old is None else "u"
        if entry.fields["op"] != op:
            self._say(f"{entry.id} is a {entry.fields['op']}, expected {op}")

    def _pass_over(self, end: int) -> None:
        """The versions before `end` that the feed has no record of: inside a snapshot, or missing."""
        first, last = self._terms.starts[0], self._terms.starts[-1]
        for version in self._versions[self._done + 1 : end]:
            if version.since < first:
                continue
            if any(version.may_be_at(position) for position in self._terms.set_aside):
                self._counted["set aside"] += 1
                continue
            if version.since < last:
                self._counted["passed over"] += 1
                continue
            self._say(f"no record of the change after {version.since} up to {version.until}: {version.row}")

    def _row(self, i: int) -> Document | None:
        return self._versions[i].row if i >= 0 else None

    def _check_own_part(self, entry: Entry) -> None:
        """Without the joined rows, the record is the version that it stands for (without images, that or a later)."""
        after = entry.json("after")
        if self._done < 0:
            return
        if self._terms.images:
            possible = self._versions[self._done : self._done + 1]
        else:
            possible = self._versions[self._done :]
            if after is None and entry.fields["op"] == "u":
                return
        if own_part(self._row_key[0], after) not in [_shown(version) for version in possible]:
            self._say(f"{entry.id} holds {after}, expected {_shown(self._versions[self._done])}")

    def _check_before(self, entry: Entry) -> None:
        """What the record before said, if it could: without images the row may have been gone when it was looked up."""
        said, expected = entry.json("before"), self._row_before
        if self._unknown and not self._terms.images:
            self._counted["after a row that was gone"] += 1
            return
        if said == expected or (said is None and (self._terms.trimmed or not self._terms.images)):
            return
        self._say(f"{entry.id} says that before there was {said}, the record before says {expected}")

    def _check_joined(self, entry: Entry) -> None:
        after = entry.json("after")
        if entry.fields["view"] != "comments" or after is None:
            return
        versions = entry.json("versions")
        for name, lookup in LOOKUPS.items():
            if name not in after:
                self._say(f"{entry.id} is half-joined: it has no {name}")
                continue
            position = versions[name][2]
            if (after[name] is None) != (position is None):
                self._say(f"{entry.id}: {name} is {after[name]}, but the position of its row is {position}")
            if after[name] is None or position is None:
                self._counted["joined with none"] += 1
            elif not self._existed(after, after[name], position, lookup):
                self._say(f"{entry.id}: no row of {lookup.collection} at {position} was {after[name]}")
            else:
                self._counted["joined"] += 1

    def _existed(self, comment: Document, shown: Document, position: str, lookup: Lookup) -> bool:
        snapshot, images = position in self._terms.starts, self._terms.images
        rows = self._truth.named(lookup.collection, position, snapshot=snapshot, images=images)
        return any(
            {f: row[f] for f in lookup.fields if f in row} == shown and lookup.refers(comment, plain(row))
            for row in rows
        )

    def _check_snapshot_rows(self) -> None:
        if not self._terms.complete:
            return
        start = self._terms.starts[0]
        there = surely_alive(self._versions, start)
        records = sum(e.fields["op"] == "r" and e.json("versions")["row"] == start for e in self._entries)
        if there is not None and records != int(there):
            self._say(f"{records} records of the snapshot at {start}, expected {int(there)}")


def own_part(view: str, after: Document | None) -> Document | None:
    """A record's row without what it was joined with."""
    if after is None or view != "comments":
        return after
    return {name: value for name, value in after.items() if name not in LOOKUPS}


def plain(row: Document) -> Document:
    """A row as a record shows it: without what is masked, an ObjectId as its hex digits."""
    return {name: _plain(value) for name, value in row.items() if name != "password"}


def _shown(version: Version) -> Document | None:
    return None if version.row is None else plain(version.row)


def _plain(value: Any) -> Any:
    match value:
        case ObjectId() | Decimal128():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def _stamp(row: Document | None) -> Any:
    return None if row is None else row.get("stamp")
