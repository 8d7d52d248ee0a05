"""What the archive holds, against what really happened: every change once and in order, each chapter's image, nothing
masked. It reads the files with the project's listing of them, and knows the contract of a row.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from connectors.archive.chapter import Chapter, complete_until, read_chapters
from connectors.archive.listing import contents, opened
from connectors.archive.reading import emitted, from_image
from connectors.archive.travel import EVER
from tests.acceptance.oracle import SECRET, Document, RowKey
from tests.faults.compare import Outcome, Terms, plain
from tests.faults.history import COLLECTIONS
from tests.faults.truth import Truth, Version, alive


class Kept(NamedTuple):
    """One change as a file has it."""

    partition: int
    row: Mapping[str, Any]
    is_image: bool

    @property
    def order(self) -> tuple[str, int, int]:
        return (self.row["position"], self.row["seq"], self.row["n"]) if not self.is_image else ("", 0, 0)

    def json(self, name: str) -> Document | None:
        text = self.row[name]
        return None if text is None else json.loads(text)


def compare_archive(root: Path, truth: Truth, terms: Terms, *, chapters: int | None) -> Outcome:
    """After the job has ended. `chapters`: how many there must be, None: as many as you like."""
    outcome = Outcome()
    found = read_chapters(root)
    numbers = max((chapter.number for chapter in found), default=0)  # of one generation
    if chapters is not None and numbers != chapters:
        outcome.differences.append(f"{numbers} chapters, expected {chapters}: {[c.name for c in found]}")
    for chapter in found:
        until = complete_until(root, chapter)
        if until is None:
            if chapter == found[-1]:
                outcome.differences.append(f"{chapter.name} has no whole image")
            continue
        _Chapter(root, chapter, truth, terms, outcome).compare(EVER if chapter == found[-1] else until)
    return outcome


class _Chapter:
    def __init__(self, root: Path, chapter: Chapter, truth: Truth, terms: Terms, outcome: Outcome) -> None:
        self._root = root
        self._chapter = chapter
        self._truth = truth
        self._terms = terms
        self._outcome = outcome
        self._rows = _kept(root, chapter)

    def compare(self, until: str) -> None:
        """All that happened up to `until` must be there."""
        self._outcome.counted["archived"] += sum(map(len, self._rows.values()))
        self._check_emitted()
        for row_key in {*self._rows, *self._truth.rows()}:
            walk = _Walk(self._rows.get(row_key, []), self._truth.of(row_key), self._chapter, until, self._terms)
            for what in walk.differences():
                self._outcome.differences.append(f"archive {self._chapter.name}: {row_key}: {what}")

    def _check_emitted(self) -> None:
        """What a replay would read is what is in the files, each change once, in the order of each partition."""
        found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for piece in emitted(self._root, self._chapter, {}, upper=EVER, order=COLLECTIONS):
            found[piece.partition] += [(row["seq"], row["n"]) for _, row in piece.rows]
        for partition, order in found.items():
            if any(a >= b for a, b in pairwise(order)):
                self._say(f"partition {partition} is not in the order of emission")
        in_files = [kept for rows in self._rows.values() for kept in rows]
        if sum(map(len, found.values())) != sum(not kept.is_image for kept in in_files):
            self._say(f"{sum(map(len, found.values()))} changes are emitted, the files have {len(in_files)} rows")
        image = sum(len(piece.rows) for piece in from_image(self._root, self._chapter, order=COLLECTIONS))
        if image != sum(kept.is_image for kept in in_files):
            self._say(f"the image has {image} rows, its files {sum(kept.is_image for kept in in_files)}")

    def _say(self, what: str) -> None:
        self._outcome.differences.append(f"archive {self._chapter.name}: {what}")


class _Walk:
    """The changes of one row, walked through beside its versions."""

    def __init__(
        self, kept: Sequence[Kept], versions: Sequence[Version], chapter: Chapter, until: str, terms: Terms
    ) -> None:
        self._kept = kept
        self._versions = list(versions)
        self._begin = chapter.begin
        self._image_at = chapter.begin if chapter.number == 1 or chapter.folded else _before(chapter.begin)
        self._again = chapter.generation > 1 and chapter.number == 1
        self._is_late = bool(chapter.folded) and not terms.images
        self._until = until
        self._terms = terms
        self._done = -1
        self._said: list[str] = []

    def differences(self) -> list[str]:
        changes = list(self._kept)
        image = [one for one in changes if self._is_of_image(one)]
        if len({one.partition for one in changes if one not in image}) > 1:
            self._said.append("it is in several partitions")
        self._check_image(image)
        for one in changes:
            if SECRET in str(one.row):
                self._said.append(f"a masked value stands at {one.row['position']}")
            if one not in image:
                self._walk(one)
        self._pass_over(len(self._versions))
        emitted = [(one.row["seq"], one.row["n"]) for one in changes if one not in image]
        if any(a >= b for a, b in pairwise(emitted)):
            self._said.append(f"the order of positions is not that of emission: {emitted}")
        return self._said

    def _is_of_image(self, one: Kept) -> bool:
        """Also what a reading again says is gone, which one partition says for all."""
        first = one.row["op"] == "r" or (one.row["op"] == "d" and self._again)
        return one.is_image or (first and one.row["position"] == self._begin)

    def _check_image(self, image: Sequence[Kept]) -> None:
        """The row as it was where the chapter begins; none, where it was not there."""
        possible = alive(self._versions, self._image_at)
        if len(image) > 1:
            self._said.append(f"it is {len(image)} times in the image")
        if self._is_late and possible:  # a change that was folded may hold a later row, or none
            self._done = self._versions.index(possible[0])  # a write that was under way may have come after
            return
        after = image[0].json("after") if image else None
        found = [version for version in possible if (None if version.row is None else plain(version.row)) == after]
        first = self._versions[0].until if self._versions else EVER
        if found:
            self._done = self._versions.index(found[-1])
        elif after is not None or (possible and first <= self._image_at):
            self._said.append(f"the image has {after}, there was {[version.row for version in possible]}")

    def _walk(self, one: Kept) -> None:
        position = one.row["position"]
        following = [i for i, v in enumerate(self._versions) if i > self._done and v.may_be_at(position)]
        if not following:
            self._said.append(f"a change at {position} that never was, or is there twice: {one.row}")
            return
        self._pass_over(following[0])
        self._done = at = following[0]
        old, new = self._versions[at - 1].row if at else None, self._versions[at].row
        op = "d" if new is None else "c" if old is None else "u"
        if one.row["op"] != op:
            self._said.append(f"the change at {position} is a {one.row['op']}, expected {op}")
        expected = [None if version.row is None else plain(version.row) for version in self._versions[at:]]
        after = one.json("after")
        if self._terms.images and (after != expected[0] or one.json("before") != (old and plain(old))):
            self._said.append(f"at {position} it is {one.row}, expected {expected[0]}")
        elif after not in expected and not (after is None and op == "u"):
            self._said.append(f"at {position} it is {after}, expected {expected[0]}")

    def _pass_over(self, end: int) -> None:
        for version in self._versions[self._done + 1 : end]:
            is_aside = any(version.may_be_at(position) for position in self._terms.set_aside)
            if version.since >= self._begin and version.until <= self._until and not is_aside:
                self._said.append(f"no change after {version.since} up to {version.until}: {version.row}")


def _before(position: str) -> str:
    """The cluster time before: an image that was read beside the job is as of then, and what comes next counts."""
    return f"{int(position, 16) - 1:016x}"


def _kept(root: Path, chapter: Chapter) -> dict[RowKey, list[Kept]]:
    """All rows that count, by row, in order."""
    found: defaultdict[RowKey, list[Kept]] = defaultdict(list)
    for file in contents(root, chapter.name).files:
        with opened(file) as parquet:
            rows = parquet.read().to_pylist()
        for row in rows:
            if file.is_image or row["position"] >= chapter.begin:
                found[file.collection, row["key"]].append(Kept(file.name.partition, row, file.is_image))
    return {row_key: sorted(rows, key=lambda one: one.order) for row_key, rows in found.items()}
