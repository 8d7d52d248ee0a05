"""The table `[archive]` of `dbwatch.toml`, and the setting that wins over it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from connectors.errors import ConfigError
from connectors.known_keys import check_keys

_KEYS = ("folder", "keep", "max_size", "enabled")
_FOLDER = "archive"
_KEEP = "7d"
_FOREVER = "forever"
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_UNITS_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_LONGEST_MS = 36_500 * _UNITS_MS["d"]


class ArchiveSettings(NamedTuple):
    """Where the archive is, how long a change is kept (ms), and how many bytes it may take; None: without end."""

    folder: Path
    keep_ms: int | None
    max_bytes: int | None


def parse_archive(
    config: Mapping[str, Any], override: str | None, *, file: str = "dbwatch.toml"
) -> ArchiveSettings | None:
    """What a parsed `dbwatch.toml` says of the archive, None when there is to be none.

    `override` is the setting DBWATCH_ARCHIVE: a folder, or `off`. A folder that is not absolute is one of the folder
    where the job is started. Raises `ConfigError` that names the file, the key and what was expected, also when the
    archive is off.
    """
    table: object = config.get("archive")
    if table is not None and not isinstance(table, Mapping):
        raise ConfigError(f"{file}: `archive` must be a table, found {_shown(table)}; write it as [archive]")
    given = cast("Mapping[str, Any]", table or {})
    check_keys(given, _KEYS, f"{file}: [archive]")
    enabled = given.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigError(f"{file}: [archive] enabled: expected true or false, found {_shown(enabled)}")
    folder, keep_ms, max_bytes = _folder(given, file), _keep_ms(given, file), _max_bytes(given, file)
    if override is not None:
        folder = "" if override.strip().lower() == "off" else override
    elif table is None or not enabled:
        folder = ""
    return ArchiveSettings(Path(folder), keep_ms, max_bytes) if folder else None


def _folder(table: Mapping[str, Any], file: str) -> str:
    folder = table.get("folder", _FOLDER)
    if not isinstance(folder, str) or not folder.strip() or "\0" in folder:
        raise ConfigError(f"{file}: [archive] folder: expected the name of a folder as text, found {_shown(folder)}")
    return folder


def _keep_ms(table: Mapping[str, Any], file: str) -> int | None:
    keep = table.get("keep", _KEEP)
    if keep == _FOREVER:
        return None
    found = re.fullmatch(r"([0-9]{1,9})\s*([mhdw])", keep.strip()) if isinstance(keep, str) else None
    keep_ms = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not 0 < keep_ms <= _LONGEST_MS:
        raise ConfigError(
            f'{file}: [archive] keep: expected an age such as "90m", "12h", "7d" or "4w", or "{_FOREVER}", found '
            f"{_shown(keep)}"
        )
    return keep_ms


def _max_bytes(table: Mapping[str, Any], file: str) -> int | None:
    if "max_size" not in table:
        return None
    size = table["max_size"]
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([MGT]B)", size.strip()) if isinstance(size, str) else None
    max_bytes = int(float(found[1]) * _UNITS_BYTES[found[2]]) if found else 0
    if max_bytes <= 0:
        raise ConfigError(
            f'{file}: [archive] max_size: expected a size such as "500MB", "20GB" or "1.5TB", found {_shown(size)}; '
            "leave it out for no limit"
        )
    return max_bytes


def _shown(value: object) -> str:
    return repr(value if isinstance(value, str | int | float | bool) else type(value).__name__)[:60]
