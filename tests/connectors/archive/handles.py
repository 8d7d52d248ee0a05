"""A process that may have few files open."""

from __future__ import annotations

import resource
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path


@contextmanager
def only_more_handles(number: int) -> Generator[None]:
    """Besides what is open, only so many files can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(path.name) for path in Path("/dev/fd").iterdir()}
    free = islice((handle for handle in count() if handle not in taken), number, None)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(free), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
