"""`dbwatch verify --repair`: the collections are read again by the job itself, and what differs from the feed is
written.

Delivery: as that of a job, of which this is another generation; the job goes on after it from the same recovery folder.
An end in between, also by SIGKILL, leaves a generation that the next start of the job, or of this, brings to its end.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from bytewax.run import cli_main  # pyright: ignore[reportUnknownVariableType]

from connectors.ending import Ending
from connectors.errors import ConfigError
from connectors.redis_client import connect, reached, translated
from connectors.settings import Settings
from connectors.writer import acquire
from dbwatch.commands.run import engine_options
from flows.generations import Reread, asked_generation, request_generation
from flows.launch import Launch
from flows.process import end_on_signals, engine_failed, leave
from flows.recovery import FLOW_ID, open_store
from flows.watch import prepare

_SNAPSHOT_INTERVAL_S, _BACKUP_INTERVAL_S = 5, 60


@contextmanager
def sole_writer(settings: Settings, folder: Path) -> Generator[None]:
    """Hold the writer's lock, so that no job begins meanwhile.

    Raises `ConfigError` when a job runs, naming it, when there is none to repair the feed of, or when the folder is not
    that job's.
    """
    with reached(connect(settings.redis_url), settings.redis_url) as client:
        with translated(f"reading {settings.keys.job}"):
            job_id = cast("str | None", client.hget(settings.keys.job, "job_id"))
        if job_id is None:
            raise ConfigError(
                f"{settings.keys.job} names no job: there is nothing to repair; `dbwatch run` writes everything"
            )
        store = open_store(folder, flow_id=FLOW_ID)
        if store.job_id != job_id:
            raise ConfigError(
                f"recovery folder {folder}: expected that of job {job_id}, found that of {store.job_id or 'none'}; "
                "name the job's own with --recovery"
            )
        with acquire(client, settings.keys.job, ending=Ending()):
            yield


def read_again(settings: Settings, folder: Path, why: str, *, verbose: bool = False) -> bool:
    """Ask for another generation and run it to the end of its reading; whether it came to its end unasked.

    Raises `DBWatchError`; does not return when the job meets an error: then it ends the process, as a job does.
    """
    with reached(connect(settings.redis_url), settings.redis_url) as client:
        request_generation(client, settings.keys, asked_generation(client, settings.keys), Reread("asked", why))
    ending = Ending()
    end_on_signals(ending)
    launch = Launch(recovery=folder)
    run = prepare(settings, launch, ending, ends_after_snapshot=True)
    ending.on_abandon(lambda: leave(ending, run.pulse, run.again, verbose=verbose))
    try:
        cli_main(run.dataflow, **engine_options(launch, _SNAPSHOT_INTERVAL_S, _BACKUP_INTERVAL_S))
    except BaseException as exc:  # a panic of the engine is no Exception
        if engine_failed(ending, run.pulse, exc) and verbose:
            raise
    if ending.error is not None:
        leave(ending, run.pulse, run.again, verbose=verbose)
    run.pulse.stop()
    return not ending.asked
