"""The keys of a configuration's tables, and what was meant by one that is none. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.errors import ConfigError


def check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Raises `ConfigError` for a key that is not among the known ones; `where` is the file and, if it is not the whole
    of it, the table.
    """
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f" (did you mean `{close[0]}`?)" if close else ""
            listed = ", ".join(f"`{name}`" for name in known)
            raise ConfigError(f"{where} unknown key `{key}`{hint}; valid keys are {listed}")
