"""A verdict on one thing: whether it is well, what is wrong, and the command that mends it. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail", "unknown"]
"""`warn`: it works, and something may be lost or stop later. `fail`: the job cannot run, or loses something now.
`unknown`: the user of the address may not see it; the job does not need it.
"""


class Verdict(NamedTuple):
    """`check` is a short name for what was looked at; `mend` are commands or steps, each on a line of its own."""

    level: Level
    check: str
    text: str
    mend: tuple[str, ...] = ()


def span_text(seconds: float) -> str:
    """A duration in the unit that suits."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0):.0f} s"
