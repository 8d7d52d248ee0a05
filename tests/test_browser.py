"""Finding a browser for the tests, and installing one."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests import browser


@pytest.fixture(autouse=True)
def fresh() -> Generator[None]:
    browser.find.cache_clear()
    yield
    browser.find.cache_clear()


def made(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing else on it, and no browser of Playwright's."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(browser, "_MACOS", ())
    return tmp_path


def test_one_on_path_that_starts_is_taken(path: Path) -> None:
    made(path, "chromium", "exit 1")
    good = made(path, "google-chrome", "exit 0")
    assert browser.find() == str(good)


def test_without_one_there_is_none(path: Path) -> None:
    assert browser.find() is None


def test_the_system_package_is_installed_where_playwright_has_none_to_give(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], *, timeout_s: float) -> bool:
        asked.append(command)
        if command[-1] == "chromium" and "apt-get" in command:
            made(path, "chromium", "exit 0")
        return "playwright" not in command

    made(path, "apt-get", "exit 0")
    monkeypatch.setattr(browser, "_succeeds", run)
    monkeypatch.setattr(browser.os, "geteuid", lambda: 0)
    assert browser.ensure() == str(path / "chromium")
    assert [command[-1] for command in asked] == ["chromium", "update", "chromium", "--version"]


def test_who_may_not_install_is_told_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(command: list[str], *, timeout_s: float) -> bool:
        return False

    monkeypatch.setattr(browser, "_succeeds", never)
    monkeypatch.setattr(browser.os, "geteuid", lambda: 1000)
    assert browser.main() == 2
    assert "install Chromium or Google Chrome" in capsys.readouterr().err
