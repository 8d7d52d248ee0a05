"""How far the job has come, from what it says of itself in Redis. An edge: it talks to Redis."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import orjson
from redis import Redis

from connectors.errors import ConfigError
from connectors.lease import LEASE_S, Writer
from connectors.mongo_events import position_ms
from connectors.redis_client import translated
from connectors.rows import iso_of_ms
from connectors.settings import Keys

_POLL_S = 0.2
_SILENT_S = 3.5
_BEGINS_AGAIN_S = 15.0


class Standing(NamedTuple):
    """What the processes of a job say together: the states, the position of the one furthest behind (empty when none
    has one), when each spoke last, and how far the last of them lags.
    """

    states: frozenset[str]
    position: str
    spoke: tuple[tuple[str, int], ...]
    reason: str = ""
    lag_ms: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left to hear of: all have stopped, or there never was one."""
        return self.states <= {"stopped"}


def standing_of(health: Mapping[str, str]) -> Standing:
    """The standing from the fields of `P:health`; what cannot be read says nothing."""
    figures: dict[str, dict[str, Any]] = {}
    for process, text in health.items():
        try:
            figures[process] = dict(orjson.loads(text))
        except (ValueError, TypeError):
            continue
    positions = [str(f["position"]) for f in figures.values() if f.get("position")]
    states = frozenset(str(f.get("state", "")) for f in figures.values())
    return Standing(
        # A process without a share of the source never gets further than to start.
        states - {"starting"} if len(states) > 1 else states,
        min(positions, default=""),
        tuple((process, int(f.get("at_ms", 0))) for process, f in sorted(figures.items())),
        next((str(f["holding_reason"]) for f in figures.values() if "holding_reason" in f), ""),
        max((int(f.get("lag_ms", 0)) for f in figures.values()), default=0),
    )


class JobWatch:
    """Tells whether a job runs, and waits for it. A job that is alive speaks every second; our clock and its clock are
    not compared.
    """

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._first = self.standing()
        self._seen_s = time.monotonic()

    def standing(self) -> Standing:
        with translated(f"reading {self._keys.health}"):
            return standing_of(cast("dict[str, str]", self._client.hgetall(self._keys.health)))

    def is_running(self) -> bool:
        """Whether a process has spoken since this watch began; waits for it a few seconds at most."""
        asked_s = time.monotonic()
        while True:
            now = self.standing()
            if now.spoke != self._first.spoke and not now.has_ended:
                return True
            patience_s = self._patience_s(now)
            since_s = asked_s if patience_s > _SILENT_S else self._seen_s
            if patience_s == 0 or time.monotonic() > since_s + patience_s:
                return False
            time.sleep(_POLL_S)

    def wait_for(self, position: str, *, timeout_s: float) -> bool:
        """Wait until everything up to `position` has been read by the job; False when it stopped instead.

        Raises `ConfigError` when that takes longer than `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        heard, heard_s = self.standing(), time.monotonic()
        while True:
            now = self.standing()
            if now.spoke != heard.spoke:
                heard, heard_s = now, time.monotonic()
            if "tail" in now.states and now.states <= {"tail", "stopped"} and now.position >= position:
                return True
            if time.monotonic() > heard_s + self._patience_s(now):
                return False
            if time.monotonic() > deadline_s:
                raise ConfigError(_late(now, position, timeout_s))
            time.sleep(_POLL_S)

    def _patience_s(self, now: Standing) -> float:
        """How long a job that says this may be silent before it is taken to be gone.

        One that has just begun holds the writer's lock and has not spoken yet; that it was heard of lately is told by
        Redis's clock. One that reads the collections again has stopped and begins anew.
        """
        with translated(f"reading {self._keys.job}"):
            known = cast("dict[str, str]", self._client.hgetall(self._keys.job))
            seconds, _ = self._client.time()
        if "asked" in known:
            return _BEGINS_AGAIN_S
        writer = Writer.from_fields(known)
        is_held = writer is not None and seconds - writer.seen_ms / 1000 < LEASE_S
        return 0.0 if now.has_ended and not is_held else _SILENT_S


def _late(now: Standing, position: str, timeout_s: float) -> str:
    states = ", ".join(sorted(now.states)) or "unknown"
    at = f"at {iso_of_ms(position_ms(now.position))}" if now.position else "at no position yet"
    reason = f" ({now.reason})" if now.reason else ""
    return (
        f"the job is not yet as far as the database: it is {at}, in state {states}{reason}; expected "
        f"{iso_of_ms(position_ms(position))} within {timeout_s:g} s. Try again when it follows, or give it longer with "
        "--timeout"
    )
