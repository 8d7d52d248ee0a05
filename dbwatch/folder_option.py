"""A folder that a command works in, with a default that `--help` shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def folder_option(
    name: str, parameter: str, default: Path, help_text: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator; the command gets the parameter of this name, a `Path`."""
    return click.option(
        name,
        parameter,
        type=click.Path(path_type=Path, file_okay=False),
        default=default,
        show_default=True,
        help=help_text,
    )
