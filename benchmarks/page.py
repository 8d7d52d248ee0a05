"""The dashboard as a person sees it: `panel serve`, a real browser, signed in, and the moments at which rows appear."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import Page, sync_playwright

from benchmarks.trace import Shown
from tests import browser
from tests.dashboard.serving import serving

_LIVE_TIMEOUT_MS = 20_000
_VIEWPORT: Any = {"width": 1366, "height": 800}
_NAME = "bench"

# A row of a table has the id of its entry. `inserted` is when it stands in the page, `painted` when the next frame has
# been handed over: a task that is queued in the frame's own callback runs after it.
_WATCH = """(bodies) => {
  const seen = window.dbwatchSeen = []
  const now = () => performance.timeOrigin + performance.now()
  const observer = new MutationObserver((records) => {
    const inserted = now(), ids = []
    for (const record of records) for (const row of record.addedNodes)
      if (row.dataset?.address) ids.push(row.dataset.address.split("/").pop())
    if (!ids.length) return
    const batch = { inserted, painted: null, ids }
    seen.push(batch)
    requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => { batch.painted = now() }
      port2.postMessage(0) })
  })
  for (const body of bodies) observer.observe(body, { childList: true })
}"""


class Viewer:
    """A person who looks at the live page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def watch(self) -> None:
        """From now on, note which rows appear."""
        self._page.locator(".table tbody").evaluate_all(_WATCH)

    def seen(self) -> Shown:
        """What has appeared since `watch`, or since the last call."""
        batches = cast("list[dict[str, Any]]", self._page.evaluate("window.dbwatchSeen.splice(0)"))
        shown = Shown([], [], [])
        for batch in batches:
            for entry_id in batch["ids"]:
                shown.ids.append(entry_id)
                shown.inserted_ms.append(batch["inserted"])
                shown.painted_ms.append(batch["painted"] or batch["inserted"])
        return shown

    def wait_s(self, seconds: float) -> None:
        self._page.wait_for_timeout(seconds * 1000)


def can_be_opened() -> bool:
    return browser.find() is not None


@contextmanager
def opened(env: Mapping[str, str], folder: Path) -> Generator[Viewer]:
    """The live page of a running job, in a browser, signed in by the form with a one-time password."""
    add = [sys.executable, "-m", "dbwatch", "users", "add", _NAME, "--one-time"]
    done = subprocess.run(add, env=dict(env), capture_output=True, text=True, timeout=60, check=True)
    folder.mkdir(parents=True, exist_ok=True)
    with serving(env, folder) as server, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.find())
        try:
            page = chromium.new_page(viewport=_VIEWPORT)
            page.goto(server.url)
            page.get_by_label("Name").fill(_NAME)
            page.get_by_label("Password").fill(done.stdout.split()[-1])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_selector('.status[data-level="live"]', timeout=_LIVE_TIMEOUT_MS)
            viewer = Viewer(page)
            viewer.watch()
            yield viewer
        finally:
            chromium.close()
