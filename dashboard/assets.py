"""The page's own scripts and styles, under a name that changes with them, so that browsers may keep them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("web")
STYLES = "page.css"
_FIRST = ("theme.css", "page.css")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


class Asset(NamedTuple):
    """One file as it is sent."""

    media_type: str
    body: bytes


class Assets(NamedTuple):
    """All files by name; `build` is a hash of them all. The styles are one, `STYLES`, in the order of the cascade."""

    build: str
    files: dict[str, Asset]

    @property
    def modules(self) -> list[str]:
        return sorted(name for name in self.files if name.endswith(".js"))


def bundled(folder: Path = FOLDER) -> Assets:
    """The files of a folder, read once."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in _TYPES)
    styles = sorted((path for path in paths if path.suffix == ".css"), key=_cascade)
    files = {path.name: Asset(_TYPES[path.suffix], path.read_bytes()) for path in paths if path.suffix == ".js"}
    files[STYLES] = Asset(_TYPES[".css"], b"\n".join(path.read_bytes() for path in styles))
    digest = hashlib.sha256()
    for name, asset in sorted(files.items()):
        digest.update(name.encode() + b"\0" + asset.body + b"\0")
    return Assets(digest.hexdigest()[:16], files)


@cache
def assets() -> Assets:
    """Those of this process."""
    return bundled()


def _cascade(path: Path) -> tuple[int, str]:
    return (_FIRST.index(path.name) if path.name in _FIRST else len(_FIRST), path.name)
