"""The pictures of the dashboard in the documentation, taken from the real page while `dbwatch demo` runs.

    python -m benchmarks.pictures --out docs/img

Starts a demo of its own in a temporary folder, signs in, lets its story go on for a while, and takes the page in the
looks and sizes below. None is larger than 400 kB: where all shades take more, the finest are left out.
"""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import click
from PIL import Image, ImageOps
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, sync_playwright

from tests import browser
from tests.ports import free_port

_READY_TIMEOUT_S = 180
_STOP_TIMEOUT_S = 60
_SMALL = ("--movies", "2000", "--comments", "6000", "--speed", "2")
_LARGEST_BYTES = 400_000
_SETTLE_MS = 3000
_MOST_BITS_LEFT_OUT = 4
_LIVE = '.status[data-level="live"]'


class Picture(NamedTuple):
    """One file: which look, how large a window, and what is open (a table whose newest row is, or nothing)."""

    name: str
    look: str
    width: int
    height: int
    opens: Literal["updated", ""] = ""


PICTURES = (
    Picture("dashboard", "cosmos", 1366, 800),
    Picture("dashboard-phone", "cosmos", 390, 844),
    Picture("dashboard-light", "light", 1440, 900, "updated"),
)


@contextmanager
def demo(folder: Path) -> Generator[tuple[str, str]]:
    """A running demo: its address, and the password that signs in once."""
    said = folder / "said"
    command = [sys.executable, "-m", "dbwatch", "demo", "--folder", str(folder / "demo"), "--port", str(free_port())]
    with said.open("w") as out:
        process = subprocess.Popen([*command, *_SMALL], stdout=out, stderr=out, start_new_session=True)
    try:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while "The first change is live" not in (text := said.read_text(encoding="utf-8")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise click.ClickException(f"the demo did not start:\n{text}")
            time.sleep(0.2)
        yield _found(r"Open +(http://\S+/)", text), _found(r"Password +(\S+)", text)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_TIMEOUT_S)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise click.ClickException(f"the demo did not say {pattern!r}:\n{text}")
    return found[1]


def signed_in(chromium: Browser, url: str, password: str) -> StorageState:
    """The cookies of somebody who has signed in."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Name").fill("demo")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(_LIVE)
    state = context.storage_state()
    context.close()
    return state


def take(page: Page, picture: Picture) -> Image.Image:
    """The page as it stands, with what the picture wants to be open."""
    page.bring_to_front()
    seen = page.get_by_role("button", name="Mark as seen")
    if seen.is_visible():
        seen.click()
        page.wait_for_selector(".said:not(:empty)")  # the answer comes later than the click
    page.mouse.move(1, 1)
    page.wait_for_selector(".said:empty", state="attached")
    page.wait_for_timeout(_SETTLE_MS)
    if picture.opens:
        page.locator(f".{picture.opens} tbody tr[data-address]:has(.diff + .diff)").first.press("Enter")
        page.get_by_role("complementary").get_by_role("tab").first.wait_for()
    return Image.open(io.BytesIO(page.screenshot()))


def encoded(image: Image.Image) -> bytes:
    """As a PNG file that is not too large."""
    for bits in range(_MOST_BITS_LEFT_OUT + 1):
        file = io.BytesIO()
        ImageOps.posterize(image, 8 - bits).save(file, "PNG", optimize=True)
        if file.tell() <= _LARGEST_BYTES:
            return file.getvalue()
    raise click.ClickException(f"a picture takes more than {_LARGEST_BYTES / 1000:.0f} kB")


def opened(chromium: Browser, state: StorageState, url: str, picture: Picture) -> tuple[BrowserContext, Page]:
    context = chromium.new_context(
        storage_state=state,
        viewport={"width": picture.width, "height": picture.height},
        is_mobile=picture.width < 600,
        locale="en-GB",
    )
    context.add_init_script(f"localStorage.setItem('dbwatch-look', {picture.look!r})")
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(_LIVE)
    return context, page


@click.command()
@click.option("--out", default="docs/img", show_default=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--seconds", default=100.0, show_default=True, help="How long the story goes on before.")
def main(out: Path, seconds: float) -> None:
    """Take the pictures of the documentation anew."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as name,
        demo(Path(name)) as (url, password),
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=browser.find())
        state = signed_in(chromium, url, password)
        pages = [(picture, *opened(chromium, state, url, picture)) for picture in PICTURES]
        pages[0][2].wait_for_timeout(seconds * 1000)
        for picture, context, page in pages:
            path = out / f"{picture.name}.png"
            path.write_bytes(encoded(take(page, picture).convert("RGB")))
            click.echo(f"{path} {path.stat().st_size / 1000:.0f} kB")
            context.close()
        chromium.close()


if __name__ == "__main__":
    main()
