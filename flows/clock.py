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
    """Compares both clocks from one check to the next. The worker looks each time it asks for changes, so that a clock
    that is set forth and back between two checks is noticed too: the engine may have set a timer by it.
    """

    def __init__(
        self, *, wall_s: Callable[[], float] = time.time, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._ahead_s = self._ahead()

    def look(self) -> None:
        """Take notice of the clock; cheap, from any thread."""
        ahead_s = self._ahead()
        if ahead_s > self._ahead_s:
            self._ahead_s = ahead_s

    def check(self) -> None:
        """Raises `ClockSetBack` when the wall clock was set back by more than is tolerated, since the last call or from
        where somebody saw it meanwhile.
        """
        before_s, self._ahead_s = self._ahead_s, self._ahead()
        back_s = before_s - self._ahead_s
        if back_s > TOLERATED_S:
            raise ClockSetBack(
                f"the clock of this machine was set back by {back_s:.0f} s, for which the engine would stand still; "
                "another run goes on from the last recovery snapshot"
            )

    def _ahead(self) -> float:
        """The wall clock's lead; a pause between the two looks may only make it larger."""
        monotonic_s = self._monotonic_s()
        return self._wall_s() - monotonic_s
