"""What a run does about the error that ended it: begin again, in this process or whenever the job is next started."""

from __future__ import annotations

import os
import sys
import time
from typing import NoReturn

import structlog
from redis import Redis

from connectors.errors import ArchiveLost, ClockSetBack, DBWatchError, LockLost, PeerEnded, TailLost
from connectors.settings import Settings
from flows.gate import RedisGate
from flows.generations import (
    asked_generation,
    following,
    goes_on_after,
    reached_by,
    request_generation,
    reread_after,
    runs_again_after,
)
from flows.health import Health
from flows.job import Job, finished_gate
from flows.policies import Policies

log = structlog.get_logger()

_SAME_GENERATION = {kind.__name__ for kind in (ArchiveLost, ClockSetBack, TailLost, LockLost)}
_NEWS_S = 5.0
_POLL_S = 0.1


class Again:
    """Decides for one process of a job, and asks for another generation where one is needed."""

    def __init__(self, client: Redis, settings: Settings, policies: Policies, health: Health) -> None:
        self._client = client
        self._settings = settings
        self._policies = policies
        self._health = health
        self._job: Job | None = None

    def knows(self, job: Job) -> None:
        """The job that this process takes part in."""
        self._job = job
        self._health.on_generation(job.generation)

    def is_arranged(self, error: DBWatchError) -> bool:
        """Whether another run goes on after this error; then it has been asked for. Raises our errors."""
        job = self._job
        if job is None:
            return False
        if isinstance(error, PeerEnded):
            goes_on = goes_on_after(error.kind, self._policies)
            if goes_on and error.kind not in _SAME_GENERATION:
                self._await_generation(job.generation + 1)
            return goes_on
        if runs_again_after(error, self._policies):
            log.warning("job.runs_again", reason=str(error))
            return True
        reached = reached_by(self._health.positions(), self._settings.mongo_partitions)
        reread = reread_after(error, self._policies, reached)
        if reread is None:
            return False
        over: RedisGate = finished_gate(self._client, self._settings, job)
        if reread.reason == "snapshot_lost":
            reread = reread._replace(since=job.snapshot_position)
        unfinished = None if job.reread is None or over.is_open() else job.reread
        request_generation(self._client, self._settings.keys, job.generation, following(reread, unfinished))
        return True

    def _await_generation(self, number: int) -> None:
        """Give the process that met the error time to ask for the generation, so that it is not begun without it."""
        deadline_s = time.monotonic() + _NEWS_S
        while asked_generation(self._client, self._settings.keys) < number and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)


def run_again() -> NoReturn:
    """Begin the program anew in this process: same arguments, same id, nothing of the engine's threads and state."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # ourselves, as we were started
