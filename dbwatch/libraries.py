"""Shared libraries that the packaged `mongod` needs and a small system may lack, lent by the package `pycurl`.

A wheel's libraries have names of their own. Under the names that the program asks for, they are links in a folder that
lives as long as this process; a program needs it only while it starts.
"""

from __future__ import annotations

import atexit
import re
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

# All three together: libcurl must meet the OpenSSL that it was built with.
LENDABLE = ("libcurl.so.4", "libcrypto.so.3", "libssl.so.3")


@cache
def lent() -> str | None:
    """A value for LD_LIBRARY_PATH under which the libraries are found; None where the package is not installed."""
    found = {name: path for path in _packaged() if (name := _common_name(path.name)) in LENDABLE}
    if set(found) != set(LENDABLE):
        return None
    folder = tempfile.TemporaryDirectory(prefix="dbwatch-libraries-")
    atexit.register(folder.cleanup)
    for name, path in found.items():
        (Path(folder.name) / name).symlink_to(path)
    return f"{folder.name}:{found[LENDABLE[0]].parent}"


def _packaged() -> list[Path]:
    try:
        listed = files("pycurl") or []
    except PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in listed if ".so" in file.name]


def _common_name(name: str) -> str:
    """
    >>> _common_name("libcurl-330bcbb6.so.4.8.0")
    'libcurl.so.4'
    """
    found = re.fullmatch(r"(lib\w+)-[0-9a-f]{8}(\.so\.\d+)[.\d]*", name)
    return found[1] + found[2] if found else name
