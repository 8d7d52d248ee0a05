"""The option `--archive` of the commands that read an archive, and the folder that they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from connectors.errors import ConfigError
from connectors.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def archive_option() -> Callable[[F], F]:
    return click.option(
        "--archive",
        "archive",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="The archive to read. Default: as the settings say.",
    )


def archive_folder(given: Path | None) -> Path:
    """The folder that was given, or that of the settings. Raises `ConfigError` when neither names one."""
    # Imported here: `--help` can do without.
    from connectors.archive.settings import parse_archive

    if given is not None:
        return given
    settings = Settings.load()
    config = {} if settings.archive else settings.config()
    archive = parse_archive(config, settings.archive, file=str(settings.config_path))
    if archive is None:
        raise ConfigError(
            f"no archive is kept: neither [archive] in {settings.config_path} nor DBWATCH_ARCHIVE asks for one; name "
            "the folder of one with --archive, or see docs/archive.md"
        )
    return archive.folder


def watched_database() -> str:
    """The database of the settings, for an archive that holds several."""
    return Settings.load().mongo_db
