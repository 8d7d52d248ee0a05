"""Where the servers' programs are, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from connectors.errors import ConfigError
from dbwatch import binaries


@pytest.fixture(autouse=True)
def fresh() -> Generator[None]:
    binaries.mongod.cache_clear()
    yield
    binaries.mongod.cache_clear()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing else on it, on a platform without packages."""
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


def test_an_old_system_is_named() -> None:
    said = "mongod: /lib/libc.so.6: version `GLIBC_2.35' not found (required by mongod)"
    assert binaries.why_not(said) == "the system's GLIBC is older than 2.35"


def test_what_a_program_says_that_will_not_start_is_told(path: Path) -> None:
    program(path, "mongod", "echo 'illegal instruction' >&2; exit 132")
    with pytest.raises(ConfigError, match="exit status 132: illegal instruction"):
        binaries.mongod()
