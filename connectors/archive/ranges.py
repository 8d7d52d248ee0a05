"""The times that an archive can tell of, and the errors for those of which it cannot. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from connectors.archive.chapter import Chapter
from connectors.archive.layout import seconds_of
from connectors.archive.moment import Moment
from connectors.archive.versions import Span
from connectors.errors import ConfigError
from connectors.mongo_events import position_ms
from connectors.times import to_the_second, written

_LONGER_S = 60
"""A chapter that goes on for so much longer than one that was begun later was not ended by that. (Of two jobs that run
at once now one and now the other is ahead.)
"""


class Recorded(NamedTuple):
    """From `begin` on, as of which it has an image of every row, a chapter tells everything up to `until`."""

    chapter: Chapter
    begin: str
    until: str

    def reaches(self, later: Recorded) -> bool:
        """Whether nothing is missing between this and a later one."""
        return self.until >= later.begin

    def outlasts(self, later: Recorded) -> bool:
        """Whether this went on when a later one had ended."""
        return seconds_of(self.until) > seconds_of(later.until) + _LONGER_S

    @property
    def text(self) -> str:
        """From when to when, also by position: several moments of the first second may be before the beginning."""
        ends = (f"{to_the_second(position_ms(one))} (position {one[:16]})" for one in (self.begin, self.until))
        return " to ".join(ends)


def recorded_of(root: Path, spans: Sequence[Span], *, tells: Callable[[Chapter], bool]) -> list[Recorded]:
    """What the chapters of an archive tell, in order. Where two tell of one time, the later one does, unless the
    earlier went on after that one had ended. Only those count that tell of what is asked for, and after them others.

    Raises `ConfigError` when there is nothing yet.
    """
    whole = [Recorded(span.chapter, span.begin, span.until) for span in spans if span.until is not None]
    if not whole:
        raise ConfigError(
            f"archive folder {root}: it tells of no time yet; a job writes it at the end of each epoch, and its first "
            "image of every row is not whole before all of them have been read"
        )
    telling = _in_order([one for one in whole if tells(one.chapter)])
    last = max(telling, key=lambda one: one.until, default=None)
    if last is None:
        return _in_order(whole)
    others = [
        one._replace(begin=max(one.begin, last.until)) for one in whole if not tells(one.chapter) and one.outlasts(last)
    ]
    return [*telling, *_in_order(others)]


def lasting(whole: Iterable[Recorded]) -> list[Recorded]:
    """By their beginnings, without those that an earlier one outlasted: it tells of their time as well."""
    ordered = sorted(whole, key=lambda one: one.begin)
    return [one for number, one in enumerate(ordered) if not any(former.outlasts(one) for former in ordered[:number])]


def _in_order(whole: Iterable[Recorded]) -> list[Recorded]:
    told = lasting(whole)
    cut = [one._replace(until=min(one.until, later.begin)) for one, later in pairwise(told)]
    return [*cut, *told[-1:]]


def covering(
    recorded: Sequence[Recorded], moment: Moment, *, set_back: Callable[[Chapter], Sequence[tuple[int, int]]]
) -> Recorded:
    """What tells of this moment. Raises `ConfigError`, which names the range that is there, when nothing does: before
    the beginning, after the end, or in between; and for a time that the server's clock showed twice.
    """
    found = next((one for one in reversed(recorded) if _begins_by(one, moment)), None)
    if found is None:
        raise _before(recorded, moment)
    if not _reaches(found, moment):
        later = recorded[recorded.index(found) + 1 :]
        if later:
            raise ConfigError(
                f"{moment.text} is in a gap of the archive, for no job wrote it then: it tells of {_all(recorded)}"
            )
        raise _after(recorded, moment)
    if moment.at_ms is not None:
        _check_clock(found, moment, moment.at_ms, set_back)
    return found


def require_within(recorded: Sequence[Recorded], moment: Moment) -> None:
    """That a moment is not before all that is recorded, nor after it; it may be in a gap. Raises `ConfigError`."""
    if not _begins_by(recorded[0], moment):
        raise _before(recorded, moment)
    if not _reaches(recorded[-1], moment):
        raise _after(recorded, moment)


def _before(recorded: Sequence[Recorded], moment: Moment) -> ConfigError:
    return ConfigError(f"{moment.text} is before the archive begins: it tells of {_all(recorded)}")


def _after(recorded: Sequence[Recorded], moment: Moment) -> ConfigError:
    return ConfigError(
        f"{moment.text} is after what is recorded: the archive tells of {_all(recorded)}; a job that runs writes "
        "at the end of each epoch, so ask again in some seconds, or for `now`: the last that is recorded"
    )


def _begins_by(one: Recorded, moment: Moment) -> bool:
    """Of the second in which the image was read, it is not known what came before it."""
    return moment.upper >= one.begin if moment.at_ms is None else moment.second > seconds_of(one.begin)


def _reaches(one: Recorded, moment: Moment) -> bool:
    """Of the last second, it is not known what comes yet."""
    if moment.at_ms is not None:
        return moment.second < seconds_of(one.until)
    return moment.upper[:16] <= one.until[:16]


def _check_clock(
    one: Recorded, moment: Moment, at_ms: int, set_back: Callable[[Chapter], Sequence[tuple[int, int]]]
) -> None:
    for begin_ms, end_ms in set_back(one.chapter):
        if begin_ms <= at_ms <= end_ms:
            raise ConfigError(
                f"{moment.text} occurred twice, for the server's clock was set back from {written(end_ms)} to "
                f"{written(begin_ms)}: give a position instead, as `dbwatch history --json` and records have it"
            )


def _all(recorded: Sequence[Recorded]) -> str:
    return " and of ".join(one.text for one in recorded)
