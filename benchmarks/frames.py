"""How smooth the page is while records arrive: frames a second, and tasks that keep the browser busy for longer.

    python -m benchmarks.frames --rate 5000 --seconds 10

The page is the real one in a headless Chromium, which draws in software: a graphics card leaves the processor freer.
Records are written straight to Redis, as `benchmarks.viewers` does.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import click
from playwright.sync_api import Page, sync_playwright

from benchmarks.viewers import dashboard, written
from dashboard.access.sign_in import COOKIE
from tests import browser

_LIVE_TIMEOUT_MS = 30_000
_SETTLE_MS = 2000

# Frames are counted by their callbacks; a task is long from 50 ms on, as the browser's own observer has it.
_MEASURE = """(ms) => new Promise((resolve) => {
  const found = { frames: 0, longest: 0, tasks: 0, busy: 0 }
  let last = performance.now()
  const end = last + ms
  const observer = new PerformanceObserver((list) => {
    for (const task of list.getEntries()) { found.tasks += 1; found.busy += task.duration }
  })
  observer.observe({ entryTypes: ["longtask"] })
  const frame = (now) => {
    found.frames += 1
    found.longest = Math.max(found.longest, now - last)
    last = now
    if (now < end) requestAnimationFrame(frame)
    else { observer.disconnect(); resolve(found) }
  }
  requestAnimationFrame(frame)
})"""


def measured(page: Page, seconds: float) -> str:
    """Frames a second and long tasks, in words."""
    page.wait_for_timeout(_SETTLE_MS)
    found = cast("dict[str, float]", page.evaluate(_MEASURE, seconds * 1000))
    return (
        f"{found['frames'] / seconds:5.1f} frames/s  longest {found['longest']:4.0f} ms  "
        f"{found['tasks'] / seconds:4.1f} long tasks/s, {found['busy'] / seconds:4.0f} ms/s"
    )


def sky(page: Page) -> str:
    """What the sky has cost since it was last asked, in words."""
    frames, busy_ms = cast(
        "list[float]",
        page.evaluate(
            """() => {
              const { sky } = document.getElementById("sky")
              const cost = [sky.frames, sky.busyMs]
              sky.frames = sky.busyMs = 0
              return cost
            }"""
        ),
    )
    return f"sky {frames:.0f} frames, {busy_ms / frames:.2f} ms each" if frames else "no sky"


@click.command()
@click.option(
    "--rate", "rates", default="0,10,5000", show_default=True, help="Records written a second; several, by commas."
)
@click.option("--seconds", default=10.0, show_default=True, help="How long each rate is measured.")
@click.option("--width", default=1366, show_default=True)
@click.option("--height", default=800, show_default=True)
@click.option("--look", default="cosmos", show_default=True, help="cosmos, which has a sky; plain, light or dark.")
@click.option("--query", default="", help="What stands behind the page's address, as ?filter=…")
def main(rates: str, seconds: float, width: int, height: int, look: str, query: str) -> None:
    """Measure how smooth the page is, on servers of its own, and print it."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        uri, server, token = stack.enter_context(dashboard(Path(name)))
        playwright = stack.enter_context(sync_playwright())
        chromium = playwright.chromium.launch(executable_path=browser.find())
        size: Any = {"width": width, "height": height}
        context = chromium.new_context(viewport=size)
        context.add_cookies([{"name": COOKIE, "value": token, "url": server.url}])
        context.add_init_script(f"localStorage.setItem('dbwatch-look', {look!r})")
        page = context.new_page()
        page.goto(f"{server.url}/app{query}")
        page.wait_for_selector('.status[data-level="live"]', timeout=_LIVE_TIMEOUT_MS)
        for rate in map(int, rates.split(",")):
            with written(uri, rate) as rows:
                words = measured(page, seconds)
            click.echo(f"{rate:>6} records/s  {words}  {sky(page)}  ({rows[0]:,} written)")
        chromium.close()


if __name__ == "__main__":
    main()
