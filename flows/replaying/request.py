"""What is asked of a replay: checked values. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from connectors.archive.moment import LAST, Moment
from connectors.errors import ConfigError
from connectors.times import is_age

CHANGES = "changes"
"""What a replay may write into, other than a stream of its own."""


class Request(NamedTuple):
    """`until` as it was given, empty for now; `until_snapshot` instead is the folder of the snapshot of a job, to end
    where that stood; `into` is `CHANGES` or empty; `maxlen` bounds each stream, in entries;
    `replace`: what a replay of this name has left may go.
    """

    name: str
    until: str = ""
    into: str = ""
    maxlen: int | None = None
    replace: bool = False
    until_snapshot: str = ""


def checked(request: Request) -> Request:
    """The request; raises `ConfigError` for a name that cannot be part of a key and of a folder, or for `into`."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", request.name):
        raise ConfigError(
            f"{request.name!r} cannot be a replay's name: expected letters, digits, `_`, `.` and `-`, at most 64"
        )
    if request.into not in ("", CHANGES):
        raise ConfigError(
            f"{request.into!r} is nothing that a replay is written into: expected {CHANGES}, or nothing for a stream "
            "of its own"
        )
    if request.until_snapshot and (request.into or request.until not in ("", "now")):
        other = "--into (DBWATCH_REPLAY_INTO)" if request.into else "--until (DBWATCH_REPLAY_UNTIL)"
        raise ConfigError(
            f"--until-snapshot (DBWATCH_REPLAY_UNTIL_SNAPSHOT) cannot go together with {other}: a replay that ends "
            "with a snapshot has no other end, and a stream of its own; leave one of them out"
        )
    return request


def moment_of(request: Request, began: str, *, now_ms: int) -> Moment:
    """The moment at which the replay ends; a replay that `began` with one, as `written` gives it, keeps that.

    All changes of one cluster time belong together, so a position is taken without its suffix. Raises `ConfigError` for
    no moment, one that is still to come, or another one than that of the replay that goes on.

    Into the live stream it is the end of the second that holds it, of one that is over: no change has the position at
    which that ends, so no row's version in the stream is confused with what the job's next start reads there.
    """
    given = whole(Moment.parse(request.until or "now", now_ms=now_ms))
    given.require_past(now_ms=now_ms)
    if request.into:
        given = Moment.at(min(given.second + 1, now_ms // 1000) * 1000 - 1)
    if not began:
        return given
    kept = whole(Moment.parse(began, now_ms=now_ms))
    is_absolute = request.until and request.until != "now" and not is_age(request.until)
    if is_absolute and given != kept:
        raise ConfigError(
            f"the replay {request.name} goes up to {kept.text}, as it was begun, not to {given.text}; give this one "
            "another name, or begin it anew with --replace"
        )
    return kept


def whole(moment: Moment) -> Moment:
    """The moment with all changes of the cluster time that it ends with."""
    return moment if moment.upper.endswith(LAST) else moment._replace(upper=moment.upper[:16] + LAST)


def written(moment: Moment) -> str:
    """As it is kept, and parsed again."""
    return moment.upper[:16] if moment.at_ms is None else str(moment.at_ms)
