"""What the archive costs: the same backlog by jobs with and without one, in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.archive_page import ARCHIVED, NOT_ARCHIVED, PLAIN_ARCHIVED, PLAIN_NOT_ARCHIVED, figures, section
from benchmarks.backlog import measure
from benchmarks.bench import Bench, Result
from benchmarks.job import WITHOUT_LOOKUPS, Job
from benchmarks.results import Run
from benchmarks.subjects import JobSubject, Subject, World
from benchmarks.workload import QUICK, Loaded, Sizes

__all__ = ["run", "section"]


class ArchivedSubject(JobSubject):
    """The job with an archive in a folder of its own. `bytes_per_change`: what that took, by round."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.bytes_per_change: list[float] = []

    def run(self, world: World, loaded: Loaded, round_no: int) -> Run:
        folder = self._jobs[round_no].folder / "archive"
        run = super().run(world, loaded, round_no)
        self.bytes_per_change.append(_size(folder) / sum(loaded.own.values()))
        return run

    def _job(self, world: World, round_no: int) -> Job:
        prefix = f"{''.join(c if c.isalnum() else '-' for c in self.name)}.{round_no}"
        folder = world.folder / prefix
        settings = {"DBWATCH_ARCHIVE": str(folder / "archive")}
        return Job(world.servers, folder, prefix=prefix, settings=settings, **self._options)


def run(bench: Bench) -> Result:
    archived = [ArchivedSubject(ARCHIVED), ArchivedSubject(PLAIN_ARCHIVED, views=WITHOUT_LOOKUPS)]
    others = [JobSubject(NOT_ARCHIVED), JobSubject(PLAIN_NOT_ARCHIVED, views=WITHOUT_LOOKUPS)]
    subjects: Sequence[Subject] = [each for pair in zip(archived, others, strict=True) for each in pair]
    found = measure(bench, subjects, QUICK if bench.quick else Sizes())
    sizes = {each.name: each.bytes_per_change for each in archived}
    kept: Mapping[str, Any] = {name: found[name] for name in ("sizes", "written", "rounds", "subjects")}
    return {**kept, "bytes_per_change": sizes, "figures": figures(kept)}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
