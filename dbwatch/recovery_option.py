"""`-r`, as every command that has to do with the job's recovery folder takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_DEFAULT = "recovery"


def recovery_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator; the command gets `recovery`, a `Path`."""
    return click.option(
        "-r",
        "--recovery",
        type=click.Path(path_type=Path, file_okay=False),
        default=_DEFAULT,
        show_default=True,
        help=help_text,
    )
