"""What is looked at before the page is served: settings, roles, and whether Redis lets us in."""

from __future__ import annotations

import sys

import structlog

from connectors.errors import DBWatchError, TransientError
from connectors.redis_client import connect, translated
from connectors.settings import Settings
from dashboard.access.roles import roles

log = structlog.get_logger()


def check() -> None:
    """End the process with one line on stderr and the error's status when the page could never work as things are.

    Redis may come later: while it is away the server starts, serves nobody, and says so at `/healthz`.
    """
    try:
        settings = Settings.load()
        roles()
        _reach(settings)
    except DBWatchError as exc:
        print(f"dbwatch: error: {exc}", file=sys.stderr)
        raise SystemExit(exc.exit_status) from None
    if not settings.config_path.exists():
        log.warning("page.no_file", file=str(settings.config_path), reason="no field is hidden from any role")


def _reach(settings: Settings) -> None:
    try:
        with connect(settings.redis_url) as client, translated("REDIS_URL"):
            client.ping()
    except TransientError as exc:
        log.warning("page.redis_away", reason=str(exc))
