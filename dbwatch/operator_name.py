"""The user of this machine who gives a command, for the audit."""

from __future__ import annotations

import getpass


def operator_name() -> str:
    """Empty where it is not known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name for its user
        return ""
