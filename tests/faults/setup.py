"""What a round is made with: servers, settings and the job's shape. A fault may change it before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.acceptance.processes import VIEWS

MongoKind = Literal["one", "three", "own"]
"""A shared member that is its own replica set, a shared set of three, or a member only for the round."""

ARCHIVE_LIMITS = 'max_size = "0.001MB"'
"""As little as there can be: all hours are folded into the image as soon as they may be."""


class Shape(NamedTuple):
    """How the job is spread: workers of each process, and processes."""

    workers: int = 1
    processes: int = 1


@dataclass
class Setup:
    """`expected` are the lines, as patterns, with which the job may end by itself; it is then started again.

    `archive_limits` are lines of the table `[archive]`; `chapters` says how many the archive must have, unless history
    is lost.
    """

    mongo: MongoKind = "one"
    redis_kind: str = "valkey"
    images: bool = True
    partitions: int = 1
    shards: int = 1
    shape: Shape = field(default_factory=Shape)
    fill: int = 60
    changes: int = 500
    pause_s: float = 0.004
    maxlen: int = 100_000
    fleeting: bool = False
    policies: str = ""
    archive: bool = False
    archive_limits: str = ""
    chapters: int = 1
    redis_args: list[str] = field(default_factory=list[str])
    mongo_args: list[str] = field(default_factory=list[str])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    expected: list[str] = field(default_factory=list[str])
    interval_s: int = 1
    oplog_mb: int = 0
    clock: bool = False
    may_panic: bool = False
    dead_letters: int = 0
    redis_loses: bool = False
    history_lost: bool = False
    first_reading_cut: bool = False
    mongo_restarts: bool = False

    @property
    def views(self) -> str:
        limits = f"[archive]\n{self.archive_limits}\n" if self.archive_limits else ""
        return f"{self.policies}\n{VIEWS}{limits}"

    @property
    def streams(self) -> list[str]:
        return ["changes"] if self.shards == 1 else [f"changes:{i}" for i in range(self.shards)]
