"""Whether the wall clock was set back, told by a clock that only goes forward. Pure but for the two clocks.

The engine's timers and epochs go by the wall clock: after it is set back by an hour, the engine asks for changes, ends
an epoch and fires a timer an hour later. Setting it forth only makes it do these things at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from connectors.errors import ClockSetBack

TOLERATED_S = 1.0
"""Set back by less, the engine only pauses for as long."""


class ClockWatch:
    """Compares both clocks from one look to the next."""

    def __init__(
        self, *, wall_s: Callable[[], float] = time.time, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._ahead_s = self._ahead()

    def check(self) -> None:
        """Raises `ClockSetBack` when the wall clock was set back since the last call by more than is tolerated."""
        before_s, self._ahead_s = self._ahead_s, self._ahead()
        back_s = before_s - self._ahead_s
        if back_s > TOLERATED_S:
            raise ClockSetBack(
                f"the clock of this machine was set back by {back_s:.0f} s, for which the engine would stand still; "
                "start the job again, and it goes on from its last recovery snapshot"
            )

    def _ahead(self) -> float:
        """The wall clock's lead; a pause between the two looks may only make it larger."""
        monotonic_s = self._monotonic_s()
        return self._wall_s() - monotonic_s
