"""Other commands of `dbwatch` beside a round's job, with its settings."""

from __future__ import annotations

from tests.acceptance.processes import Job
from tests.faults.job import COMMAND
from tests.faults.rig import Rig

_WAIT_S = 60.0


class Commands:
    """Each has a folder of its own below the round's, with its output."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def started(self, *args: str) -> Job:
        """As a process that the caller waits for; the round ends it, if need be."""
        rig = self._rig
        folder = rig.folder / f"command-{len(list(rig.folder.glob('command-*')))}"
        folder.mkdir()
        (folder / "dbwatch.toml").write_text(rig.flow.views, encoding="utf-8")
        job = rig.keep(Job(folder, rig.flow.settings, [*COMMAND, *args]))
        job.start()
        return job

    def run(self, *args: str) -> tuple[int, str]:
        """Its exit status and what it said."""
        job = self.started(*args)
        return job.wait(_WAIT_S), job.output()
