"""The strip of figures and the health panel, in a real browser, of values as the flow writes them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from redis import Redis

from connectors.dead_letters import DeadLetter
from connectors.mongo_state import Oplog, SourceProgress
from connectors.records import LookupVersion, Record, Versions
from connectors.settings import Keys
from flows.gauges import JoinGauges
from flows.health import Health
from flows.rates import Meter, rates_fields
from tests.dashboard.browsing import opened
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser

SCREENSHOTS = Path("test-results/dashboard")
EVIL = '<img src=x onerror="window.hacked=1">'
HOUR_MS = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Flow:
    """A process of the flow as far as Redis is told: its figures are made by the flow's own code. It says that it lives
    for a while to come, so that no thread must keep saying it.
    """

    def __init__(self, client: Redis, keys: Keys, process: str = "0") -> None:
        self._client, self._keys, self._process = client, keys, process
        join = JoinGauges()
        join.stage("rows").add(entries=58_657)
        self.health = Health(started_ms=now_ms() - HOUR_MS, join=join)
        for _ in range(2):
            self.health.on_progress(SourceProgress("tail-0", "tail", "", 5, 0, "05", now_ms()))
        self.health.on_oplog(Oplog(now_ms(), now_ms() - 31 * HOUR_MS, 0, used=9, most=9))
        self.health.on_epoch("tail-0")
        self.health.on_store(114_000_000)

    def tell(self, *, ahead_ms: int = 60_000, count: int = 3, **changes: Any) -> None:
        figures = self.health.figures(now_ms()) | {"at_ms": now_ms() + ahead_ms, "lag_ms": 0} | changes
        self._client.hset(self._keys.health, self._process, json.dumps(figures))
        meter = Meter()
        meter.add([Record("movies", "c", "k", now_ms(), "p", Versions("p", {}))] * count, now_ms() + 7, 0)
        fields = rates_fields(meter.take(), at_ms=now_ms(), process=self._process, seconds=1.0)
        self._client.xadd(self._keys.rates, {**fields})


@pytest.fixture
def flow(client: Redis, keys: Keys) -> Flow:
    client.delete(keys.health, keys.rates, keys.deadletter, keys.changes[0])
    flow = Flow(client, keys)
    flow.tell()
    return flow


@pytest.fixture
def page(context: BrowserContext, server: Server, token: str, flow: Flow) -> Page:
    return opened(context, server, token)


def add(client: Redis, keys: Keys, record: Record) -> None:
    client.xadd(keys.changes[0], {**record.to_fields()})


def fill(client: Redis, keys: Keys) -> None:
    """Two rows that people change, one of them often, and a film's change that reaches forty comments."""
    film = Record("movies", "u", "m1", now_ms(), "p", Versions("p", {}), after=json.dumps({"title": EVIL}))
    for _ in range(3):
        add(client, keys, film)
    add(client, keys, film._replace(key="m2", after='{"title":"Heat"}'))
    lookups = {"movie": LookupVersion(2, "m1", "p")}
    row = json.dumps({"text": "Whoa.", "movie": {"title": "The Matrix"}})
    for n in range(40):
        add(
            client,
            keys,
            Record("comments", "u", f"c{n}", now_ms(), "p", Versions("p", lookups), after=row, cause="movie"),
        )
    letter = DeadLetter("join", "comments", "c7", "u", "p", now_ms(), f"KeyError: {EVIL}", "{}")
    client.xadd(keys.deadletter, {**letter.to_fields(at_ms=now_ms())})


def figure(page: Page, name: str) -> Any:
    return page.locator(f'.health-card[data-figure="{name}"]')


def chip(page: Page, name: str) -> Any:
    return page.locator(f'.chip[data-figure="{name}"]')


def shot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_the_strip_says_how_well_everything_is_explains_itself_and_stands_still(page: Page, flow: Flow) -> None:
    expect(chip(page, "headroom")).to_contain_text("safe for 31 h")
    expect(chip(page, "lag")).to_contain_text("none")
    expect(chip(page, "snapshot")).to_contain_text("ago")
    expect(chip(page, "letters")).to_contain_text("well: none")
    tip = page.get_by_role("tooltip")
    chip(page, "headroom").hover()
    expect(tip).to_contain_text("before the database's oplog has forgotten its position")
    tip.hover()
    expect(tip).to_be_visible()
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    chip(page, "headroom").focus()
    page.keyboard.press("Tab")
    expect(tip).to_contain_text("What Redis uses")
    expect(chip(page, "memory")).to_have_attribute("aria-describedby", "tip")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    places = "[...document.querySelectorAll('.figure')].map(e => e.getBoundingClientRect()).map(r => [r.x, r.width])"
    before = page.evaluate(places)
    flow.tell(count=9999)
    expect(page.locator(".total .number")).to_contain_text(",", timeout=5000)
    assert page.evaluate(places) == before


def test_the_panel_shows_all_and_has_an_address(page: Page, flow: Flow, client: Redis, keys: Keys) -> None:
    fill(client, keys)
    flow.tell(count=60)
    page.keyboard.press("s")
    expect(page.locator(".health-panel")).to_be_visible()
    assert "health=1" in page.url
    expect(page.locator(".health-card")).to_have_count(12)
    expect(figure(page, "headroom")).to_contain_text("position safe for 31 h")
    expect(figure(page, "state")).to_contain_text("58,657 entries")
    expect(figure(page, "state")).to_contain_text("114 MB")
    expect(figure(page, "letters")).to_contain_text("dbwatch deadletter list", timeout=10_000)
    expect(figure(page, "letters").locator(".level")).to_have_attribute("data-level", "bad")
    expect(page.locator(".views tbody tr", has_text="movies").locator(".all")).not_to_have_text("0")
    first = page.locator(".health-part ol").first.locator("li").first
    expect(first).to_contain_text(EVIL)
    expect(first).to_contain_text("3×")
    cause = page.locator(".health-part ol").nth(1).locator("li")
    expect(cause).to_have_count(1)
    expect(cause).to_contain_text("The Matrix")
    expect(cause).to_contain_text("40× re-joined")
    expect(page.locator(".health-letters")).to_contain_text(f"join: KeyError: {EVIL}")
    assert page.evaluate("window.hacked") is None
    page.emulate_media(color_scheme="light")
    page.evaluate("localStorage.setItem('dbwatch-look', 'plain')")
    page.reload()
    expect(page.locator(".health-letters li")).not_to_have_count(0)
    shot(page, "health-laptop-light")
    page.locator(".health-part ol .hot").first.click()
    page.wait_for_url("**history=movies**")
    expect(page.locator(".health-panel")).to_be_hidden()
    assert "health=1" not in page.url
    expect(page.locator(".drawer")).to_contain_text("m1")
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_be_hidden()
    shot(page, "strip-laptop-light")


def test_a_process_that_is_gone_is_called_so_by_name(page: Page, flow: Flow, client: Redis, keys: Keys) -> None:
    Flow(client, keys, "1").tell(written=1234)
    page.locator(".health-open").click()
    rows = page.get_by_role("region", name="Processes of the flow").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("1,234")
    Flow(client, keys, "1").tell(ahead_ms=-6000)
    expect(page.locator(".status")).to_contain_text("Flow partly down", timeout=5000)
    expect(page.locator(".todo")).to_contain_text("start all of its processes again")
    expect(rows.nth(1)).to_contain_text("silent")
    expect(page.locator(".health-panel")).to_have_class("health-panel old")
    expect(figure(page, "processes")).to_contain_text("1 of 2")


WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({"state": "holding", "holding_reason": "OOM", "holding_since_ms": 1}, "Holding back", "OOM", "dbwatch doctor"),
    ({"source_away_since_ms": 1, "source_away_reason": "no primary"}, "Database away", "no primary", ""),
    ({"lag_ms": 65_000}, "Behind", "65 s behind", ""),
    ({"ahead_ms": -6000}, "Flow down", "since", "dbwatch run -r FOLDER"),
]


def test_whatever_is_wrong_is_said_within_five_seconds_with_what_to_do(page: Page, flow: Flow) -> None:
    for changes, label, says, command in WRONG:
        flow.tell(**changes)
        expect(page.locator(".status")).to_contain_text(label, timeout=5000)
        expect(page.locator(".status")).to_contain_text(says)
        expect(page.locator(".todo")).to_be_visible()
        if command:
            expect(page.locator(".todo code").filter(has_text=command)).to_have_count(1)
        if label != "Flow down":
            expect(page.locator(".health-open")).to_contain_text("warning")
    expect(chip(page, "headroom")).to_contain_text("–")
    expect(page.locator(".total .number")).to_have_text("–")
    shot(page, "down-laptop")
    flow.tell()
    expect(page.locator(".todo")).to_be_hidden(timeout=5000)


@pytest.mark.parametrize(("name", "width", "height"), [("phone", 390, 844), ("wall", 2560, 1440)])
def test_health_fits_its_screen(
    chromium: Browser,
    server: Server,
    token: str,
    flow: Flow,
    client: Redis,
    keys: Keys,
    name: str,
    width: int,
    height: int,
) -> None:
    fill(client, keys)
    flow.tell(count=60)
    phone = name == "phone"
    context = chromium.new_context(viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone)
    page = opened(context, server, token)
    expect(page.locator(".health-open")).to_contain_text("warning", timeout=10_000)
    shot(page, f"strip-{name}")
    page.locator(".health-open").click()
    expect(page.locator(".health-letters li")).not_to_have_count(0)
    if phone:
        figure(page, "headroom").get_by_role("button").tap()
        expect(page.get_by_role("tooltip")).to_contain_text("forgotten its position")
        page.touchscreen.tap(5, 5)
        expect(page.get_by_role("tooltip")).to_be_hidden()
    shot(page, f"health-{name}")
    wide = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert wide <= width
    context.close()
