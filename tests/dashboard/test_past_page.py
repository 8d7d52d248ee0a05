"""Older versions of a row than the feed has, in a real browser on the real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, expect
from redis import Redis

from connectors.archive.past import PastVersion, record_of
from connectors.archive.travel import Travel
from connectors.changes import Change
from connectors.settings import Keys
from tests.connectors.archive.archives import BASE_S, at
from tests.connectors.archive.joined import chapter, record_in_commits
from tests.dashboard.auditing import violations
from tests.dashboard.browsing import opened, tell_alive
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser

SCREENSHOTS = Path("test-results/dashboard")
TITLES = ["<b>The Fly</b>", "The Fly II", "The Fly III", "The Fly IV"]


def film(second: int, title: str) -> Change:
    after = json.dumps({"_id": "m", "title": title, "year": 1958})
    op: Any = "u" if second > 10 else "r"
    return Change("movies", '"m"', op, at(second), (BASE_S + second) * 1000, None, after, None, {"_id": '"m"'})


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that is renamed three times."""
    root = tmp_path_factory.mktemp("archive")
    kept = chapter(root, begin=at(10))
    record_in_commits(kept, [film(10 * n, title) for n, title in enumerate(TITLES, 1)], [])
    kept.progress(at(50))
    return root


@pytest.fixture(scope="module")
def env(env: dict[str, str], archive: Path) -> dict[str, str]:
    return {**env, "DBWATCH_ARCHIVE": str(archive)}


@pytest.fixture(scope="module", autouse=True)
def trimmed(client: Redis, keys: Keys, archive: Path) -> None:
    """The feed has the last of these versions only."""
    versions = [version for version in Travel(archive).history("movies", "m") if isinstance(version, PastVersion)]
    client.xadd(keys.changes[0], {**record_of("movies", '"m"', versions[-1], ()).to_fields()})


def test_a_rows_history_goes_on_in_the_archive(
    context: BrowserContext, server: Server, token: str, client: Redis, keys: Keys
) -> None:
    tell_alive(client, keys)
    page = opened(context, server, token, query="?history=" + quote('movies/"m"'))
    page.wait_for_selector('.history[aria-busy="false"]')
    expect(page.locator(".history tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Older versions from the archive").click()
    older = page.get_by_role("region", name="Versions from the archive").locator("tbody tr")
    expect(older).to_have_count(3)
    expect(older.first).to_contain_text("The Fly III")
    expect(older.last).to_contain_text("<b>The Fly</b>")
    expect(page.locator(".archived .says")).to_contain_text("This is where the archive begins")
    older.nth(1).locator(".title").click()
    expect(page.locator(".archived pre")).to_contain_text('"title": "The Fly II"')
    assert violations(page) == []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "past.png")
    older.nth(1).locator(".title").click()
    expect(page.locator(".archived pre")).to_have_count(0)
