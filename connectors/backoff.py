"""How long to wait before what failed for now is tried again."""

from __future__ import annotations

import random

_MOST_DOUBLINGS = 16
"""More would make no difference; in the end the number would be too large for a float."""


def pause_s(attempts: int, *, first_s: float, longest_s: float) -> float:
    """After so many attempts that failed: twice as long after each, up to the longest; never all at once, where many
    wait for the same server.
    """
    return min(longest_s, first_s * 2 ** min(attempts, _MOST_DOUBLINGS)) * random.uniform(0.5, 1)
