"""Whatever upkeep does, and wherever it is cut off, every read gives what a list of all changes gives."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive import compaction, folding, reading, retention, sorted_files
from connectors.archive.chapter import read_chapter
from connectors.archive.listing import listed
from connectors.archive.moment import Moment
from connectors.archive.reading import START, Cursor, emitted, from_image, rows_left
from connectors.archive.versions import Versions
from connectors.changes import Change, Op
from connectors.errors import ConfigError
from tests.connectors.archive.archives import Archive, at, change

PARTITIONS = 2
KEYS = [f"k{number}" for number in range(5)]
VALUES = ["x", "y", None]
ORDER = ("users", "comments")
EVER = "ffffffff"


class Done(NamedTuple):
    """One change that was emitted: all there is of it, in a plain list."""

    partition: int
    seq: int
    n: int
    change: Change

    @property
    def order(self) -> tuple[str, int, int]:
        return self.change.position, self.seq, self.n


class Write(NamedTuple):
    """One change: which row, what happens to it, after how many seconds."""

    key: int
    collection: str
    op: Op
    value: str | None
    seconds: int


class Work(NamedTuple):
    """Some upkeep, cut off before a step (counted from 0) or not at all."""

    kind: str
    cut_off: int | None


writes = st.builds(
    Write,
    st.integers(0, len(KEYS) - 1),
    st.sampled_from(ORDER),
    st.sampled_from(["c", "u", "u", "d"]),
    st.sampled_from(VALUES),
    st.sampled_from([0, 0, 1, 700, 2500, 4000]),
)
commits = st.lists(writes, min_size=1, max_size=8)
works = st.builds(Work, st.sampled_from(["compact", "compact", "fold", "clean"]), st.none() | st.integers(0, 25))
actions = st.lists(commits | works | st.sampled_from(["settle", "settle", "take back"]), max_size=14)


class CutOff(Exception):
    """What a test lets happen in the middle of a work."""


class Model:
    """An archive, and beside it all changes in a list."""

    def __init__(self, root: Path) -> None:
        self.archive = Archive(root, partitions=PARTITIONS)
        self.root = root
        self.done: list[Done] = []
        self.clock = 0
        self.ticks = 0
        self.durable = 0
        self.seen: list[tuple[str, dict[int, Cursor]]] = []
        self.commit([Write(key, name, "r", "x", 0) for key in range(len(KEYS)) for name in ORDER])
        self.settle()

    @property
    def begin(self) -> str:
        return read_chapter(self.archive.folder).begin

    def commit(self, batch: list[Write]) -> None:
        """Each row's changes are of its own partition. Both partitions commit, so that they count alike."""
        found: list[list[Change]] = [[] for _ in range(PARTITIONS)]
        for write in batch:
            self.clock += write.seconds
            self.ticks = 1 if write.seconds else self.ticks + 1
            position = at(0) if write.op == "r" else at(self.clock, self.ticks + 1)
            made = change(KEYS[write.key], position, op=write.op, collection=write.collection, value=write.value)
            found[write.key % PARTITIONS].append(made)
        for partition, changes in enumerate(found):
            if changes:
                self.archive.commit(changes, partition=partition, group=3)
                seq = self.archive.commits[partition]
                self.done.extend(Done(partition, seq, n, each) for n, each in enumerate(changes))
            else:
                self.archive.commits[partition] += 1

    def settle(self) -> None:
        """What was committed will not be taken back."""
        self.durable = self.archive.commits[0]
        self.archive.progress(at(self.clock))

    def take_back(self) -> None:
        """A restart: what it takes back is written anew, perhaps as something else."""
        for file in listed(self.archive.folder):
            if not file.is_image and file.name.last > self.durable:
                assert file.name.first > self.durable
                file.path.unlink()
                numbers = self.archive.numbers[file.name.partition]
                assert file.name.numbers is not None
                numbers[file.collection] = min(numbers[file.collection], file.name.numbers[0] - 1)
        self.done = [each for each in self.done if each.seq <= self.durable]
        self.archive.commits = dict.fromkeys(self.archive.commits, self.durable)
        self.seen = []

    def work(self, work: Work) -> None:
        left = [work.cut_off]

        def step(_doing: str) -> None:
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0:
                    raise CutOff

        name = self.archive.chapter.name
        with suppress(CutOff):
            if work.kind == "clean":
                compaction.clean(self.root, name, step=step)
            elif work.kind == "compact":
                for group in compaction.groups(self.root, name):
                    compaction.compact(self.root, group, step=step)
            else:
                hours = retention.survey(self.root, name)[0].hours
                if hours:
                    folding.fold(self.root, name, hours[-1 if len(hours) < 3 else 1].hour, step=step)

    # --- what has to be found

    def image(self) -> dict[tuple[str, str], Done]:
        last: dict[tuple[str, str], Done] = {}
        for each in sorted(self.done, key=lambda each: each.order):
            if each.change.position < self.begin:
                last[each.change.collection, each.change.key] = each
        return {row: each for row, each in last.items() if each.change.op != "d"}

    def counting(self) -> list[Done]:
        return [each for each in self.done if each.change.position >= self.begin]

    def merged(self) -> list[Done]:
        queues = [[each for each in self.counting() if each.partition == number] for number in range(PARTITIONS)]
        result: list[Done] = []
        while any(queues):
            heads = [queue[0] for queue in queues if queue]
            first = min(
                heads, key=lambda each: (each.change.position, ORDER.index(each.change.collection), each.partition)
            )
            result.append(queues[first.partition].pop(0))
        return result

    def check(self) -> None:
        image = self.image()
        rows = [
            (name, row["key"], row["position"])
            for piece in from_image(self.root, read_chapter(self.archive.folder), order=ORDER)
            for name, row in piece.rows
        ]
        expected = sorted((ORDER.index(name), key, each.change.position) for (name, key), each in image.items())
        assert rows == [(ORDER[name], key, position) for name, key, position in expected]
        self.check_order()
        for name in ORDER:
            for key in KEYS:
                self.check_row(name, key, image.get((name, key)))
            for value in ("x", "y"):
                self.check_value(name, value, image)

    def check_order(self) -> None:
        chapter = read_chapter(self.archive.folder)
        merged = self.merged()
        assert rows_left(self.root, chapter, {}, EVER) == len(merged)
        found: list[Done] = []
        cursors: dict[int, Cursor] = {}
        for piece in emitted(self.root, chapter, {}, upper=EVER, order=ORDER):
            for name, row in piece.rows:
                found.append(Done(piece.partition, row["seq"], row["n"], of_row(name, row)))
            cursors[piece.partition] = piece.cursor
            if len(found) * 2 > len(merged):
                self.seen.append((chapter.begin, dict(cursors)))
        assert found == merged
        for begin, before in self.seen[-3:]:
            self.check_going_on(begin, before)

    def check_going_on(self, begin: str, cursors: dict[int, Cursor]) -> None:
        """From cursors of an earlier time: all that came after, or a refusal because some of it is folded."""

        def is_left(each: Done) -> bool:
            return Cursor(each.seq, each.n) > cursors.get(each.partition, START)

        chapter = self.archive.chapter._replace(begin=begin)
        try:
            pieces = list(emitted(self.root, chapter, cursors, upper=EVER, order=ORDER))
        except ConfigError:
            assert any(each.change.position < self.begin for each in self.done if is_left(each))
            return
        found = [(piece.partition, row["seq"], row["n"]) for piece in pieces for _, row in piece.rows]
        assert found == [each[:3] for each in self.merged() if is_left(each)]

    def check_row(self, name: str, key: str, image: Done | None) -> None:
        versions = Versions(self.root)
        chapter = read_chapter(self.archive.folder)
        changes = sorted(
            (each for each in self.counting() if (each.change.collection, each.change.key) == (name, key)),
            key=lambda each: each.order,
        )
        every = [each for each in [image, *changes] if each is not None]
        found = versions.versions(chapter, name, key, upper=EVER)
        assert [(row["position"], row["seq"], row["n"]) for row in found] == [each.order for each in every]
        for seconds in (0, self.clock // 3, self.clock):
            moment = Moment(max(at(seconds, 2), chapter.begin))
            last = versions.last(chapter, name, key, moment)
            expected = [each.order for each in every if each.change.position <= moment.upper]
            assert (last and (last["position"], last["seq"], last["n"])) == (expected[-1] if expected else None)

    def check_value(self, name: str, value: str, image: dict[tuple[str, str], Done]) -> None:
        found = Versions(self.root).keys_with(self.archive.chapter, name, "ref", f'"{value}"', upper=EVER)
        every = [*image.values(), *self.counting()]
        assert found == {
            each.change.key
            for each in every
            if each.change.collection == name and each.change.refs["ref"] == f'"{value}"'
        }


def of_row(name: str, row: reading.Row) -> Change:
    refs = {"ref": row["ref.ref"]}
    named = None if row["named"] is None else tuple(row["named"])
    return Change(name, row["key"], row["op"], row["position"], row["ts_ms"], None, row["after"], named, refs)


@contextmanager
def small_files() -> Generator[None]:
    """A few rows are many: files, row groups and what is in memory at once are as small as can be."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sorted_files, "ROW_GROUP", 2)
        patched.setattr(sorted_files, "ROW_GROUP_BYTES", 70)
        patched.setattr(compaction, "ROW_GROUP", 3)
        patched.setattr(compaction, "SEGMENT_BYTES", 1500)
        patched.setattr(compaction, "MANY_PARTS", 1)
        patched.setattr(folding, "SEGMENT_BYTES", 300)
        patched.setattr(folding, "_BUFFER_BYTES", 200)
        yield


def run(steps: list[list[Write] | Work | str]) -> None:
    with tempfile.TemporaryDirectory() as folder, small_files():
        model = Model(Path(folder))
        for step in steps:
            if isinstance(step, list):
                model.commit(step)
            elif isinstance(step, Work):
                model.work(step)
                model.check()
            elif step == "settle":
                model.settle()
            else:
                model.take_back()
        model.check()


@settings(max_examples=10, deadline=None)
@given(actions)
def test_upkeep_cut_off_anywhere_changes_nothing_that_is_read(steps: list[list[Write] | Work | str]) -> None:
    run(steps)


@pytest.mark.soak
@settings(max_examples=1000, deadline=None)
@given(actions)
def test_upkeep_changes_nothing_that_is_read_in_many_histories(steps: list[list[Write] | Work | str]) -> None:
    run(steps)
