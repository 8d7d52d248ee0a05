"""From a write to MongoDB to the cell in a signed-in browser, through the real job and the real dashboard."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bson.objectid import ObjectId
from playwright.sync_api import Page, expect, sync_playwright
from pymongo import MongoClient

from tests import browser as finder
from tests.acceptance.oracle import SECRET, Document
from tests.acceptance.processes import DBWATCH, Job
from tests.conftest import wait_until
from tests.dashboard.serving import Server, serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SHOWN_TIMEOUT_MS = 15_000
DOWN_WITHIN_S = 5.0
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def settings(settings: dict[str, str], mongo: MongoClient[Document]) -> dict[str, str]:
    for name in ("movies", "users", "comments"):
        mongo[settings["MONGO_DB"]].create_collection(name, changeStreamPreAndPostImages={"enabled": True})
    return settings


@pytest.fixture
def job(settings: dict[str, str], tmp_path: Path) -> Iterator[Job]:
    with Job(tmp_path, settings, [*DBWATCH, "run", "-r", str(tmp_path / "recovery")]) as job:
        job.start()
        wait_until(lambda: job.begun, 30)
        yield job


@pytest.fixture
def server(settings: dict[str, str], job: Job, tmp_path: Path) -> Iterator[Server]:
    with serving(settings, tmp_path) as server:
        yield server


def one_time_password(job: Job) -> str:
    """As `dbwatch users add` prints it, on a line of its own."""
    command = [*DBWATCH, "users", "add", "neo", "--one-time"]
    done = subprocess.run(command, env=job.env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()[-1]


@pytest.fixture
def page(server: Server, job: Job) -> Iterator[Page]:
    path = finder.find()
    assert path is not None, "no browser; `make test` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        page = browser.new_page(viewport={"width": 1366, "height": 800})
        page.goto(server.url)
        assert "Created" not in page.content()
        page.get_by_label("Name").fill("neo")
        page.get_by_label("Password").fill(one_time_password(job))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector('.status[data-level="live"]', timeout=SHOWN_TIMEOUT_MS)
        yield page
        browser.close()


def test_a_change_made_in_mongodb_is_seen_joined_by_who_signed_in(
    page: Page, mongo: MongoClient[Document], mongo_db: str
) -> None:
    db = mongo[mongo_db]
    film = ObjectId()
    db["movies"].insert_one({"_id": film, "title": "Good Will Hunting", "year": 1997})
    db["users"].insert_one({"name": "Skylar", "email": "skylar@example.org", "password": SECRET})
    db["comments"].insert_one({"movie_id": film, "email": "skylar@example.org", "text": "How do you like them apples?"})
    for shown in ("Good Will Hunting", "How do you like them apples?", "Skylar"):
        expect(page.get_by_text(shown).first).to_be_visible(timeout=SHOWN_TIMEOUT_MS)
    db["movies"].update_one({"_id": film}, {"$set": {"title": "Good Will Hunting 2"}})
    expect(page.get_by_text("Good Will Hunting 2").first).to_be_visible(timeout=SHOWN_TIMEOUT_MS)
    db["comments"].delete_many({})
    expect(page.get_by_text("Nothing deleted yet")).to_be_hidden(timeout=SHOWN_TIMEOUT_MS)
    assert SECRET not in page.content()
    page.screenshot(path="test-results/acceptance-laptop.png")
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    page.screenshot(path="test-results/acceptance-phone.png")


def test_a_flow_that_is_killed_is_called_down_within_five_seconds_and_live_once_it_is_back(
    page: Page, job: Job
) -> None:
    page.locator(".health-open").click()
    expect(page.locator('.health-card[data-figure="snapshot"]')).to_contain_text("ago", timeout=SHOWN_TIMEOUT_MS)
    expect(page.locator('.health-card[data-figure="headroom"]')).to_contain_text("safe for", timeout=SHOWN_TIMEOUT_MS)
    expect(page.locator('.health-card[data-figure="clocks"]')).to_contain_text("agree")
    job.kill()
    killed_s = time.monotonic()
    page.wait_for_selector('.status[data-level="down"]', timeout=8000, state="attached")
    assert time.monotonic() - killed_s < DOWN_WITHIN_S
    expect(page.locator(".status")).to_contain_text("Flow down")
    expect(page.locator(".todo code")).to_have_text("dbwatch run -r FOLDER")
    expect(page.locator(".health-panel")).to_have_class("health-panel old")
    job.start()
    page.wait_for_selector('.status[data-level="live"]', timeout=30_000, state="attached")
    expect(page.locator(".todo")).to_be_hidden()
