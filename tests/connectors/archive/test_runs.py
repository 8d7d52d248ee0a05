"""A run that is replaced just after it has made sure that it is the writer harms nothing when it goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from connectors.archive import taking_back
from connectors.archive.chapter import Progress, Reached, begin_run, read_chapter, read_progress, write_chapter
from connectors.archive.compaction import compact, groups
from connectors.archive.listing import contents
from connectors.archive.reading import emitted
from connectors.archive.taking_back import take_back
from connectors.archive.writer import PartitionWriter
from connectors.changes import Change
from connectors.ending import Ending
from connectors.errors import Fenced
from tests.connectors.archive.past import BEGIN_S, chapter_of, made

HOUR_S = 3600
EVER = f"{BEGIN_S + 10**6:08x}"
ALL = [made(n, second=400 * n, collection=("films", "users")[n % 2]) for n in range(24)]
"""Changes of two collections, over three hours."""


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    write_chapter(tmp_path, chapter_of(begin=f"{BEGIN_S:08x}00000000"))
    return tmp_path / chapter_of().name


class Run:
    """A run of the job; `paused` happens in the middle of its commits, after it has asked whether it is the writer."""

    def __init__(self, chapter: Path, seq: int, paused: Callable[[], None] = lambda: None) -> None:
        self.writer = PartitionWriter(chapter, 0, ending=Ending(), guard=paused)
        self.writer.start(seq, Reached(ALL[0].position, image=True))

    def commit(self, changes: Sequence[Change]) -> None:
        self.writer.add(changes)
        self.writer.commit(Reached(changes[-1].position, image=True))


def numbers(chapter: Path) -> list[int]:
    """What a reader finds, up to where the archive says that it is complete."""
    told = read_progress(chapter, 0)
    assert told is not None
    order = ("films", "users")
    pieces = emitted(chapter.parent, read_chapter(chapter), {}, upper=told.position, order=order)
    return [int(row["position"][8:], 16) for piece in pieces for _, row in piece.rows]


def overlook_hidden_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start may look for them just while they get their names."""

    def none(_chapter: Path, _partition: int, _run: int) -> list[Path]:
        return []

    monkeypatch.setattr(taking_back, "_hidden", none)


def test_a_run_whose_files_another_has_taken_back_ends(chapter: Path) -> None:
    paused = Run(chapter, 0, lambda: Run(chapter, 0).writer.close())
    with pytest.raises(Fenced, match="another run of the job has begun"):
        paused.commit(ALL[:10])
    paused.writer.close()
    assert not list(chapter.rglob("*.parquet"))


@pytest.mark.parametrize("sizes", [(1,), (3, 1, 4), (10, 2), (1, 1, 1, 1, 1, 9)])
def test_of_a_commit_that_another_run_has_made_anew_nothing_of_the_first_counts(
    chapter: Path, monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int]
) -> None:
    overlook_hidden_files(monkeypatch)
    seen: list[list[int]] = []

    def replaced() -> None:
        """Another run makes the same changes to commits of other lengths."""
        later = Run(chapter, 1)
        at = 3
        for size in sizes:
            later.commit(ALL[at : at + size])
            at += size
        later.writer.close()
        seen.append(numbers(chapter))

    first = Run(chapter, 0)
    first.commit(ALL[:3])
    first.writer.close()
    paused = Run(chapter, 1, replaced)
    paused.commit(ALL[3:13])
    paused.writer.close()
    assert seen == [list(range(3 + sum(sizes)))]
    assert numbers(chapter) == seen[0]
    told = read_progress(chapter, 0)
    assert told is not None
    assert (told.seq, told.run) == (1 + len(sizes), 3)
    last = Run(chapter, told.seq)
    last.commit(ALL[3 + sum(sizes) :])
    last.writer.close()
    assert numbers(chapter) == list(range(24))
    for group in groups(chapter.parent, chapter.name, is_closed=True):
        compact(chapter.parent, group)
    assert numbers(chapter) == list(range(24))
    assert contents(chapter.parent, chapter.name).gaps == []


def test_what_a_paused_run_names_later_replaces_no_file_of_another(
    chapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlook_hidden_files(monkeypatch)
    kept: dict[Path, bytes] = {}

    def replaced() -> None:
        later = Run(chapter, 0)
        later.commit(ALL[:2])
        later.writer.close()
        kept.update((path, path.read_bytes()) for path in chapter.rglob("*.parquet"))

    paused = Run(chapter, 0, replaced)
    paused.commit(ALL[:10])
    paused.writer.close()
    assert len(kept) == 2
    assert {path: path.read_bytes() for path in kept} == kept
    assert numbers(chapter) == [0, 1]


def test_a_start_that_was_paused_deletes_nothing_of_a_later_run(chapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Run(chapter, 0)
    first.commit(ALL[:3])
    first.commit(ALL[3:5])
    first.writer.close()
    unlink, is_paused = Path.unlink, [False]

    def paused(path: Path, *, missing_ok: bool = False) -> None:
        if not is_paused[0] and re.search(r"part-", path.name):
            is_paused[0] = True
            later = Run(chapter, 1)
            later.commit(ALL[3:9])
            later.writer.close()
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", paused)
    take_back(chapter, 0, 1)
    assert is_paused[0]
    assert numbers(chapter) == list(range(9))


def test_of_two_runs_that_begin_at_once_one_ends(chapter: Path) -> None:
    told = Progress(0, 0, 0, "", image=False, at_ms=0, run=1, runs=[])
    begin_run(chapter, told)
    with pytest.raises(Fenced, match="another run of the job has begun"):
        begin_run(chapter, told._replace(seq=9))
    assert read_progress(chapter, 0) == told
    assert not list(chapter.glob(".*"))
