"""How far a replay is: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from connectors.archive.replay_source import ReplayProgress
from connectors.times import to_the_second
from dbwatch.progress import ProgressLine

Tell = Callable[[ReplayProgress], None]


class Rate:
    """Changes a second, over the last while."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, window_s: float = 10.0) -> None:
        self._clock = clock
        self._window_s = window_s
        self._seen: list[tuple[float, int]] = []

    def add(self, read: int) -> float:
        """So many were read by now; the rate."""
        now_s = self._clock()
        if not self._seen or now_s - self._seen[-1][0] >= self._window_s / 20:
            self._seen.append((now_s, read))
            self._seen = [one for one in self._seen if now_s - one[0] <= self._window_s]
        first_s, first = self._seen[0]
        return (read - first) / (now_s - first_s) if now_s > first_s else 0.0


def text_of(progress: ReplayProgress, rate: float) -> str:
    """One line for a person. What a narrow terminal cuts off is at its end."""
    total = progress.read + progress.left
    doing = "from MongoDB's log" if progress.tail else f"of about {total:,} changes"
    at = f", at {to_the_second(progress.at_ms)}" if progress.at_ms else ""
    left = f", {_duration(progress.left / rate)} left" if rate > 0 and progress.left else ""
    return f"replaying: {rate:,.0f}/s{left}, {progress.read:,} {doing}{at}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextmanager
def replay_progress() -> Generator[Tell]:
    """What to tell of each step. On stderr; a bar is gone when left."""
    rate = Rate()
    if not sys.stderr.isatty():
        with ProgressLine() as line:
            yield lambda progress: line.tell(text_of(progress, rate.add(progress.read)))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    # The bar keeps its width; of the text as much as the terminal has room for is shown.
    columns = (
        BarColumn(bar_width=12, table_column=Column(width=12)),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task("replaying", total=None)

        def tell(progress: ReplayProgress) -> None:
            text = text_of(progress, rate.add(progress.read))
            total = None if progress.tail else progress.read + progress.left
            bar.update(task, description=text, completed=progress.read, total=total)

        yield tell
