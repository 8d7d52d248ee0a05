"""How large a recovery store is, over time."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

_EVERY_S = 1.0


class StoreWatch:
    """Looks once a second while it is entered. What the engine's database has written ahead counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="benchmark store watch", daemon=True)
        self.line: list[tuple[float, int]] = []
        """Unix time and bytes."""

    @property
    def bytes_now(self) -> int:
        total = 0
        for file in self._folder.glob("*"):
            with suppress(FileNotFoundError):
                total += file.stat().st_size
        return total

    def __enter__(self) -> StoreWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.line.append((round(time.time(), 1), self.bytes_now))
            if self._stop.wait(_EVERY_S):
                return
