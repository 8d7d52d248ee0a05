"""A moment of the past, and which changes had happened by then. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from connectors.errors import ConfigError
from connectors.times import unix_ms, written

CLOCK_SLACK_MS = 2000
"""How much later than this machine's clock a moment may be, for clocks differ."""

LAST = ".~"
"""After a cluster time: the last of its positions, for this sorts after every suffix that one can have."""
_SECONDS = 1 << 32  # a cluster time has 32 bits for them: until 2106


class Moment(NamedTuple):
    """What had happened by then is a beginning of all changes in the order of their positions.

    `upper`: no change after this position is included. `at_ms`: nor one of that second which the source committed
    later than this (Unix ms); None when the moment was given as a position.
    """

    upper: str
    at_ms: int | None = None

    @classmethod
    def parse(cls, text: str, *, now_ms: int) -> Moment:
        """`now`, ISO 8601 (without an offset: UTC), Unix milliseconds, an age such as `15m`, or a position: 16 hex
        digits, which includes all that has this cluster time, or with a record's suffix, which includes it and no more.

        Raises `ConfigError` for anything else. A moment in the future is parsed as well: see `require_past`.
        """
        given = text.strip().lower()
        if re.fullmatch(r"[0-9a-f]{16}(\.\S+)?", given):
            return cls(given if "." in given else given + LAST)
        at_ms = now_ms if given == "now" else unix_ms(text, now_ms=now_ms)
        if at_ms is None:
            raise ConfigError(
                f"{text!r} is no moment: expected now, a time (2026-11-21T20:00:00Z; without an offset it is UTC), "
                "Unix milliseconds, an age (15m), or a record's position (16 hex digits)"
            )
        if not 0 <= at_ms < _SECONDS * 1000:
            raise ConfigError(f"{text!r} is no moment that a database has: expected one from 1970 to 2106")
        return cls.at(at_ms)

    @classmethod
    def at(cls, at_ms: int) -> Moment:
        """The moment of a Unix time in milliseconds."""
        return cls(f"{at_ms // 1000:08x}{'f' * 8}{LAST}", at_ms)

    @property
    def second(self) -> int:
        """The Unix second in which it lies."""
        return int(self.upper[:8], 16)

    @property
    def text(self) -> str:
        """As it is told to a person: a time in UTC, or the position."""
        if self.at_ms is None:
            return f"position {self.upper.removesuffix(LAST)}"
        return written(self.at_ms)

    def includes(self, position: str, ts_ms: int) -> bool:
        """Whether a change had happened by then. Of changes in the order of positions, the first that had not ends it:
        those after it had not either, whatever the clock said.
        """
        if self.at_ms is None or position[:8] != self.upper[:8]:
            return position <= self.upper
        return ts_ms <= self.at_ms

    def is_after(self, position: str, ts_ms: int) -> bool:
        """Whether a change had happened before then: not only by then."""
        if self.at_ms is None or position[:8] != self.upper[:8]:
            return position < self.upper.removesuffix(LAST)
        return ts_ms < self.at_ms

    def require_past(self, *, now_ms: int) -> None:
        """Raises `ConfigError` for a moment that is still to come."""
        at_ms = self.second * 1000 if self.at_ms is None else self.at_ms
        if at_ms > now_ms + CLOCK_SLACK_MS:
            raise ConfigError(f"{self.text} is still to come: it is {written(now_ms)} now; name a moment of the past")
