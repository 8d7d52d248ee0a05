"""The browser that the tests drive: one that is found, or one that is installed for them.

`python -m tests.browser` finds or installs it and says which; exit status 2 and one line when there is none to be had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chrome", "chromium-browser")
_MACOS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
_START_TIMEOUT_S = 30
_INSTALL_TIMEOUT_S = 600


@cache
def find() -> str | None:
    """The path of a Chromium or Chrome that starts: the system's, else Playwright's own, else None."""
    return next((path for path in _candidates() if _starts(path)), None)


def ensure() -> str | None:
    """As `find`, and when there is none, install one: Playwright's, else the system's package."""
    return find() or _installed_by_playwright() or _installed_by_apt()


def main() -> int:
    found = ensure()
    if found is None:
        print(
            "tests: error: no browser was found and none could be installed; install Chromium or Google Chrome "
            "(on Debian: apt-get install chromium), or run `.venv/bin/playwright install --with-deps chromium`",
            file=sys.stderr,
        )
        return 2
    print(f"browser for the tests: {found}")
    return 0


def _candidates() -> Iterator[str]:
    yield from (path for name in _NAMES if (path := shutil.which(name)))
    yield from (str(path) for path in _MACOS if path.exists())
    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    if path.exists():
        yield str(path)


def _installed_by_playwright() -> str | None:
    playwright = [sys.executable, "-m", "playwright"]
    if not _installs([*playwright, "install", "chromium"]):
        return None
    root = None if find() else _as_root()
    if root is not None:  # it is there, but may lack libraries
        _installs([*root, *playwright, "install-deps", "chromium"])
    return find()


def _installed_by_apt() -> str | None:
    root = _as_root()
    if root is None or not shutil.which("apt-get"):
        return None
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    _installs([*apt, "update"])
    return find() if _installs([*apt, "install", "--yes", "--no-install-recommends", "chromium"]) else None


def _installs(command: list[str]) -> bool:
    print("no browser for the tests yet:", " ".join(command), flush=True)
    done = _succeeds(command, timeout_s=_INSTALL_TIMEOUT_S)
    find.cache_clear()
    return done


def _as_root() -> list[str] | None:
    """What to put before a command that needs the superuser; None when we may not become one without a password."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if shutil.which("sudo") and _succeeds(["sudo", "-n", "true"], timeout_s=10) else None


def _starts(path: str) -> bool:
    """A name on PATH may be a stub that only tells to install something else, or lack its libraries."""
    return _succeeds([path, "--version"], timeout_s=_START_TIMEOUT_S)


def _succeeds(command: list[str], *, timeout_s: float) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
