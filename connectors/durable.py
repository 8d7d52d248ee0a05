"""Small files that are there whole or as they were, after a crash and after a power failure too. An edge: it writes
files.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_durably(file: Path, content: bytes, *, name_it: Callable[[Path, Path], object] | None = None) -> None:
    """Make or replace a file at once; what it holds is on the disk when this returns. `name_it` gives it its name
    another way than by replacing what has it. Raises `OSError`, and leaves nothing behind then.
    """
    whole = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with whole.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        if name_it is None:
            whole.replace(file)
        else:
            name_it(whole, file)
    except OSError:  # a full disk would get one of these with each attempt
        with suppress(OSError):
            whole.unlink()
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """What was renamed in it, or made, is durable when this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
