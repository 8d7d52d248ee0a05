"""Holding a stream of events to a rate: a token bucket. Pure; the clock is passed in."""

from __future__ import annotations

_ROUNDING = 1e-6  # so that a sum of parts of a second gives the event that the whole second gives


class Pace:
    """How many events are due. What could not be made within `burst_s` is given up, and counted in `missed`."""

    def __init__(self, *, rate_per_s: float, now_s: float, burst_s: float = 1.0) -> None:
        self._rate = rate_per_s
        self._capacity = max(1.0, rate_per_s * burst_s)
        self._tokens = 0.0
        self._last_s = now_s
        self._missed = 0.0

    @property
    def missed(self) -> int:
        """Events that were due and will not be made any more."""
        return int(self._missed)

    @property
    def waiting(self) -> int:
        """Events that are due and may still be made."""
        return int(self._tokens + _ROUNDING)

    def take(self, now_s: float, *, most: int) -> int:
        """How many events to make now, at most `most`. They count as made."""
        self._tokens += (now_s - self._last_s) * self._rate
        self._last_s = now_s
        self._missed += max(0.0, self._tokens - self._capacity)
        self._tokens = min(self._tokens, self._capacity)
        taken = min(self.waiting, most)
        self._tokens = max(0.0, self._tokens - taken)
        return taken

    def wait_s(self) -> float:
        """How long until the next event is due."""
        return max(0.0, (1 - self._tokens) / self._rate)
