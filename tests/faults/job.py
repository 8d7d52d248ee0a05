"""`dbwatch` as a process whose archive has short hours and is looked after all the time, and which dies at a step of
its work with it when a trap is set. Everything else is the real thing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.short_hours import short_hours

COMMAND = (sys.executable, "-m", "tests.faults.job")

_TRAP = "FAULTS_TRAP"
_COMPACT_EVERY_S, _RETAIN_EVERY_S, _MANY_PARTS = 0.3, 1.0, 1


def trap_env(folder: Path) -> dict[str, str]:
    """Where the job looks for the trap of a round."""
    return {_TRAP: str(folder / "trap")}


def set_trap(folder: Path, work: str, *, step: int) -> None:
    """The job dies before this step, from 1 on, of `commit`, `compaction` or `fold`."""
    (folder / "trap").write_text(f"{work} {step}", encoding="ascii")


def spring_back(folder: Path) -> bool:
    """Take the trap away; whether it had sprung."""
    with suppress(FileNotFoundError):
        (folder / "trap").unlink()
        return False
    return True


class _Trap:
    """Counts the steps of the work that the trap is set for, since it was set."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._set_at_ns = 0
        self._steps = 0

    def step(self, work: str) -> None:
        try:
            set_at_ns = self._file.stat().st_mtime_ns
            wanted, _, number = self._file.read_text(encoding="ascii").partition(" ")
        except FileNotFoundError:
            return
        if set_at_ns != self._set_at_ns:
            self._set_at_ns, self._steps = set_at_ns, 0
        self._steps += wanted == work
        if wanted == work and self._steps >= int(number or 1):
            self._file.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: Any, name: str, call: Callable[[], None]) -> None:
    """Let `call` come before each call of a method or function."""
    real = getattr(owner, name)

    def called(*args: Any, **kwargs: Any) -> Any:
        call()
        return real(*args, **kwargs)

    setattr(owner, name, called)


def _prepare(trap: _Trap) -> None:
    from connectors.archive import compaction, folding, upkeep, writer
    from connectors.archive.files import ArchiveFile

    defaults = upkeep.Upkeep.__init__.__kwdefaults__
    assert defaults is not None
    defaults.update(compact_every_s=_COMPACT_EVERY_S, retain_every_s=_RETAIN_EVERY_S)
    compaction.MANY_PARTS = _MANY_PARTS
    for name in ("finish", "publish", "sync_folders"):
        _before(ArchiveFile, name, lambda: trap.step("commit"))
    _before(writer, "write_progress", lambda: trap.step("commit"))
    for module, name, work in ((compaction, "compact", "compaction"), (folding, "fold", "fold")):
        _trapped(module, name, lambda work=work: trap.step(work))


def _trapped(module: Any, name: str, call: Callable[[], None]) -> None:
    """Let `call` come before each step of a work."""
    real = getattr(module, name)

    def called(*args: Any, step: Callable[[str], None], **kwargs: Any) -> Any:
        def stepped(doing: str) -> None:
            call()
            step(doing)

        return real(*args, step=stepped, **kwargs)

    setattr(module, name, called)


if __name__ == "__main__":
    with short_hours():
        _prepare(_Trap(Path(os.environ[_TRAP])))
        from dbwatch.__main__ import main

        main()
