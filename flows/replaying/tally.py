"""What came of a replay: counted while it runs, told at its end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from connectors.redis_streams import Written


class Summary(NamedTuple):
    """Records written by view, duplicates left out and dead letters, by this run of the replay; where it began and how
    far it has come (Unix ms, 0 when that is not known), and whether that is the end; how long it took (s).
    """

    written: Mapping[str, int]
    left_out: int
    letters: int
    read: int
    from_ms: int
    until_ms: int
    finished: bool
    took_s: float


class Tally:
    """Told by the sink's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: Counter[str] = Counter()
        self._left_out = self._letters = 0

    def on_written(self, written: Written) -> None:
        views = Counter(record.view for record in written.records)
        with self._lock:
            self._views += views
            self._left_out += written.skipped

    def on_letters(self, count: int) -> None:
        with self._lock:
            self._letters += count

    def summary(self, *, read: int, from_ms: int, until_ms: int, finished: bool, took_s: float) -> Summary:
        with self._lock:
            views = dict(sorted(self._views.items()))
            return Summary(views, self._left_out, self._letters, read, from_ms, until_ms, finished, took_s)
