"""How many dead letters a minute are too many: whoever sets a whole database aside has met another kind of error. Pure
but for its lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from connectors.dead_letters import DeadLetter
from connectors.errors import TooManyLetters

_WINDOW_S = 60.0


class LetterLimit:
    """Counts the letters of one process, from any thread. `per_minute` 0: the first is one too many.

    `clock` gives seconds that never go back.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._at_s: deque[float] = deque()

    def add(self, letters: Sequence[DeadLetter]) -> TooManyLetters | None:
        """These have been written; the error to stop with when they are too many."""
        now_s = self._clock()
        with self._lock:
            self._at_s.extend(now_s for _ in letters)
            while self._at_s and now_s - self._at_s[0] >= _WINDOW_S:
                self._at_s.popleft()
            count, first_s = len(self._at_s), self._at_s[0] if self._at_s else now_s
        if not letters or count <= self._per_minute:
            return None
        last = letters[-1]
        within = f"within {now_s - first_s:.0f} s " if self._per_minute else ""
        return TooManyLetters(
            f"{count} change{'s' if count > 1 else ''} {within}could not be read, joined or written and "
            f"became dead letters, more than dead_letters_per_minute = {self._per_minute} allows; the last of them: "
            f"{last.collection} {last.key[:100]}: {last.error}. Look at them with `dbwatch deadletter list`, mend the "
            "cause or raise the limit, then start the job again: it goes on after them"
        )
