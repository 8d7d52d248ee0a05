"""What stands beside the recovery store of a replay: that it is one, and whether it may be handed over. An edge: it
reads and writes a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from connectors.durable import write_durably
from connectors.errors import ConfigError

_FILE = "dbwatch.replay.json"


class Note(NamedTuple):
    """A replay's name and id, which the job gets that goes on after it. `cut`, once it has ended, is the cluster time
    that it has come up to. `into` is empty for a stream of its own. `made_for` are the settings that the state fits, by
    their names in `P:job`.
    """

    name: str
    replay_id: str
    into: str
    cut: str
    made_for: Mapping[str, str]


def write_note(folder: Path, note: Note) -> None:
    """Make or replace it, at once and durably. Raises `ConfigError`."""
    try:
        write_durably(folder / _FILE, json.dumps(note._asdict()).encode() + b"\n")
    except OSError as exc:
        raise ConfigError(
            f"recovery folder {folder}: {_FILE} cannot be written: {exc.strerror}; make room there, and call again"
        ) from exc


def read_note(folder: Path) -> Note | None:
    """None for a store that is no replay's. Raises `ConfigError` when it cannot be read."""
    try:
        value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return Note(**{name: value[name] for name in Note._fields})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"recovery folder {folder}: {_FILE} cannot be read ({exc}); begin the replay anew") from exc


def drop_note(folder: Path) -> None:
    """The store is a job's from now on."""
    with suppress(FileNotFoundError):
        (folder / _FILE).unlink()
