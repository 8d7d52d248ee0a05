"""How far a comparison is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from dbwatch.progress import ProgressLine


@contextmanager
def progress_bar() -> Generator[Callable[[str, int, int], None]]:
    """What to tell: what is done, how much of it, of how many. On stderr; a bar is gone when left."""
    if not sys.stderr.isatty():
        with ProgressLine() as line:
            yield lambda doing, done, total: line.tell(f"{doing}: {done:,} of {max(done, total):,}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        doing_now = ""

        def tell(doing: str, done: int, total: int) -> None:
            nonlocal task, doing_now
            if doing != doing_now:
                progress.remove_task(task)
                task, doing_now = progress.add_task(doing), doing
            progress.update(task, completed=done, total=max(done, total))

        yield tell
