"""Several server processes: a page may be made by one and watched through another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, expect
from redis import Redis

from connectors.settings import Keys
from tests.dashboard.browsing import add, opened
from tests.dashboard.serving import serving


def test_any_process_serves_a_page_that_another_has_made(
    context: BrowserContext,
    token: str,
    env: dict[str, str],
    tmp_path: Path,
    client: Redis,
    keys: Keys,
    alive: Callable[..., None],
) -> None:
    alive()
    with serving(env, tmp_path, options=["--num-procs", "2"]) as server:
        pages = [opened(context, server, token) for _ in range(4)]
        add(client, keys, "c", "Seen by all")
        for page in pages:
            expect(page.locator(".created tbody tr").first).to_contain_text("Seen by all")
        assert server.log.count("Starting Bokeh server") > 1
