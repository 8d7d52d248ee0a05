"""Why the system does not let who would read a file of the archive do so, where the file may be whole (pure)."""

from __future__ import annotations

import errno
from pathlib import Path

from connectors.errors import ConfigError

_WAYS_OUT = {
    errno.EACCES: "let this user read it (and enter its folders)",
    errno.EPERM: "let this user read it (and enter its folders)",
    errno.EMFILE: "let this process have more files open (`ulimit -n`)",
    errno.ENFILE: "let the system have more files open (fs.file-max)",
    errno.ENOMEM: "give it more memory",
}


def refused(file: Path, exc: Exception) -> ConfigError | None:
    """What is to be said when a file could not be opened or read for a reason that lies outside it; None when the file
    itself may be what is wrong.
    """
    number = exc.errno if isinstance(exc, OSError) else None
    if number not in _WAYS_OUT:
        return None
    reason = " ".join(str(exc).split()).rpartition(" Detail: ")[2].rstrip(". ")
    return ConfigError(
        f"archive file {file} cannot be read ({reason}), which says nothing against what is in it: "
        f"{_WAYS_OUT[number]}, and call again"
    )
