"""`python -m benchmarks.travel`: how long it takes to find a row's past among a day of ten million changes."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.percentiles import Percentiles
from benchmarks.travel_archive import (
    COLLECTION,
    HOT,
    HOURS,
    MOVIES,
    PATH,
    Day,
    key_of,
    make_chapter,
    make_hour,
    make_progress,
    movie_of,
    position,
)
from connectors.archive import folding
from connectors.archive.compaction import compact, groups
from connectors.archive.listing import contents
from connectors.archive.moment import Moment
from connectors.archive.reading import emitted
from connectors.archive.retention import size_of
from connectors.archive.versions import Versions

_INTERRUPTED = 130
_MB = 1 << 20


class Stage(NamedTuple):
    """What one process of its own did: how long it took, its CPU time, the most memory it had."""

    seconds: float
    cpu_s: float
    peak_bytes: int
    found: Any


@click.command(name="travel", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--changes", type=click.IntRange(10_000), default=10_000_000, show_default=True, help="In a day.")
@click.option("--keys", type=click.IntRange(1_000), default=1_000_000, show_default=True, help="Rows that there are.")
@click.option("--questions", type=click.IntRange(5), default=200, show_default=True, help="Of each kind.")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to make it (a temporary folder)."
)
def main(*, changes: int, keys: int, questions: int, folder: Path | None) -> None:
    """Make the archive of a day, compact it, ask it for the past of rows, fold its oldest hours; print the figures.

    A day of ten million changes takes about 1.5 GB of disk, which are given back, and some minutes.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    root = Path(tempfile.mkdtemp(prefix="dbwatch-travel-", dir=folder))
    try:
        for line in _figures(root, Day(changes, keys), questions):
            print(line, flush=True)
    except KeyboardInterrupt:
        sys.stderr.write("travel: interrupted\n")
        sys.exit(_INTERRUPTED)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _figures(root: Path, day: Day, questions: int) -> Iterator[str]:
    made = _alone(_make, root, day)
    yield f"made {day.changes:,} changes of {day.keys:,} rows: {size_of(root) / _MB:,.0f} MB in {made.seconds:.0f} s"
    done = _alone(_compact, root, day)
    yield f"compacted {done.found} groups: {_cost(done)}; {size_of(root) / _MB:,.0f} MB, {_files(root, day)} files"
    yield "| question | from | median | p95 | worst | CPU, median | peak memory |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for name, ask in QUESTIONS.items():
        for cached, number in ((False, max(5, questions // 4)), (True, questions)):
            asked = _alone(_ask, root, day, name, number if ask.is_quick else max(5, number // 20), cached)
            figures, cpu = (Percentiles.of(took) for took in zip(*asked.found, strict=True))
            assert figures is not None
            assert cpu is not None
            where = "memory" if cached else "disk"
            times = f"{figures.p50:,.0f} ms | {figures.p95:,.0f} ms | {figures.most:,.0f} ms"
            yield f"| {name} | {where} | {times} | {cpu.p50:,.0f} ms | {asked.peak_bytes / _MB:,.0f} MB |"
    read = _alone(_read, root, day)
    yield f"read in the order of emission: {read.found / read.seconds:,.0f} changes/s, {_cost(read)}"
    folded = _alone(_fold, root, day)
    yield f"folded {folding.HOURS_AT_ONCE} hours into an image of {folded.found:,} rows: {_cost(folded)}"


def _cost(stage: Stage) -> str:
    return f"{stage.seconds:.1f} s, {stage.cpu_s:.1f} s of CPU, at most {stage.peak_bytes / _MB:,.0f} MB of memory"


def _files(root: Path, day: Day) -> int:
    return len(contents(root, day.chapter.name).files)


# --- stages, each in a process of its own, so that its memory can be told --------------------------------------------


def _alone(work: Callable[..., Any], *given: Any) -> Stage:
    with _processes(1) as process:
        return process.submit(_measured, work, given).result()


def _processes(number: int) -> ProcessPoolExecutor:
    """They end without a word when the terminal interrupts all of us."""
    spawned = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, spawned, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_DFL))


def _measured(work: Callable[..., Any], given: Sequence[Any]) -> Stage:
    cpu, started = time.process_time(), time.perf_counter()
    found = work(*given)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    return Stage(seconds, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, found)


def _make(root: Path, day: Day) -> None:
    make_chapter(root, day)
    with _processes(os.cpu_count() or 1) as processes:
        for future in [processes.submit(make_hour, root, day, hour) for hour in range(HOURS)]:
            future.result()
    make_progress(root, day)


def _compact(root: Path, day: Day) -> int:
    found = groups(root, day.chapter.name, is_closed=True)
    for group in found:
        compact(root, group)
    return len(found)


def _read(root: Path, day: Day) -> int:
    upper = position(day.end_s - (HOURS - 2) * 3600)
    return sum(len(piece.rows) for piece in emitted(root, day.chapter, {}, upper=upper, order=[COLLECTION]))


def _fold(root: Path, day: Day) -> int:
    hours = sorted({file.hour for file in contents(root, day.chapter.name).files if not file.is_image})
    return folding.fold(root, day.chapter.name, hours[folding.HOURS_AT_ONCE - 1]).rows


# --- questions -------------------------------------------------------------------------------------------------------


class Question(NamedTuple):
    ask: Callable[[Versions, Day, random.Random], object]
    is_quick: bool = True


def _any_key(day: Day, dice: random.Random) -> str:
    return key_of(dice.randrange(HOT, day.keys))


def _hot_key(_day: Day, dice: random.Random) -> str:
    return key_of(dice.randrange(HOT))


def _last(key: Callable[[Day, random.Random], str]) -> Callable[[Versions, Day, random.Random], object]:
    def ask(versions: Versions, day: Day, dice: random.Random) -> object:
        moment = Moment.at(dice.randrange(day.end_s - HOURS * 3600, day.end_s) * 1000)
        row = versions.last(day.chapter, COLLECTION, key(day, dice), moment)
        assert row is not None
        return row

    return ask


def _versions(key: Callable[[Day, random.Random], str]) -> Callable[[Versions, Day, random.Random], object]:
    return lambda versions, day, dice: versions.versions(
        day.chapter, COLLECTION, key(day, dice), upper=position(day.end_s)
    )


def _keys_with(versions: Versions, day: Day, dice: random.Random) -> object:
    ref = movie_of(dice.randrange(MOVIES))
    return versions.keys_with(day.chapter, COLLECTION, PATH, ref, upper=position(day.end_s))


def _keys_without_column(versions: Versions, day: Day, dice: random.Random) -> object:
    ref = f'"Ada.{dice.randrange(2000)}@example.com"'
    return versions.keys_with(day.chapter, COLLECTION, "email", ref, upper=position(day.end_s))


QUESTIONS = {
    "a row at a moment": Question(_last(_any_key)),
    "a hot row at a moment": Question(_last(_hot_key)),
    "all versions of a row (about 10)": Question(_versions(_any_key)),
    "all versions of a hot row (about 10,000)": Question(_versions(_hot_key), is_quick=False),
    "all rows that had a value, by its column": Question(_keys_with, is_quick=False),
    "all rows that had a value, without a column": Question(_keys_without_column, is_quick=False),
}


def _ask(root: Path, day: Day, name: str, number: int, cached: bool) -> list[tuple[float, float]]:
    """How long each took, and its CPU time, in ms; not `cached`: nothing of the archive is in the system's memory."""
    dice, versions, took = random.Random(name), Versions(root), list[tuple[float, float]]()
    for _ in range(number):
        if not cached:
            _forget(root)
        cpu, started = time.process_time(), time.perf_counter()
        QUESTIONS[name].ask(versions, day, dice)
        took.append(((time.perf_counter() - started) * 1000, (time.process_time() - cpu) * 1000))
    return took


def _forget(root: Path) -> None:
    """Let the system drop what it has read of the archive, where it can be asked to."""
    if sys.platform != "linux":
        return
    for path in root.rglob("*.parquet"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


if __name__ == "__main__":
    main()
