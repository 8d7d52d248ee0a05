"""The page for everyone: an automated audit of each of its states, the keyboard alone, less motion, every look."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from redis import Redis

from connectors.accounts import Accounts
from connectors.records import LookupVersion, Versions
from connectors.settings import Keys
from tests.conftest import wait_until
from tests.dashboard.auditing import violations
from tests.dashboard.browsing import NAME, add, opened, sign_in
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser

LOOKS = ("cosmos", "light", "dark")
FRAMES = "document.getElementById('sky').sky.frames"
TWENTY_FRAMES = (
    "new Promise((done) => { let n = 0; (function next() { n++ < 20 ? requestAnimationFrame(next) : done() })() })"
)
SCHEMES: tuple[tuple[Literal["light", "dark"], str], ...] = (
    ("light", "rgb(243, 244, 248)"),
    ("dark", "rgb(16, 18, 23)"),
)


@pytest.fixture(scope="module")
def rows(client: Redis, keys: Keys, accounts: Accounts) -> None:
    """One of each kind of row, with everything that a row can show; and somebody who may see all of the page."""
    accounts.set_role(NAME, "admin")
    joined = {"text": "Whoa.", "movie": {"title": "The Matrix", "year": 1999}, "user": None}
    versions = Versions("p", {"movie": LookupVersion(2, "x", "p"), "user": LookupVersion(1, "y", None)})
    add(client, keys, "c", "", view="comments", after=json.dumps(joined), versions=versions)
    add(client, keys, "c", "", after="{}")
    before = json.dumps({"title": "The Matrx", "year": 1998})
    add(client, keys, "u", "The Matrix", before=before, changed=("title", "year", "cast"))
    old = json.dumps({**joined, "movie": {"title": "Matrix"}})
    add(client, keys, "u", "", view="comments", before=old, after=json.dumps(joined), versions=versions, cause="movie")
    for n in range(2):
        shared = {"view": "comments", "key": f"k{n}", "versions": versions, "cause": "movie", "position": "p9"}
        add(client, keys, "u", "", before=old, after=json.dumps(joined), changed=("movie.title",), **shared)
    add(client, keys, "d", "Gigli")


@pytest.fixture
def page(page: Page, rows: None, alive: Callable[..., None]) -> Page:
    alive(count=12)
    expect(page.locator(".deleted tbody tr").first).to_be_visible()
    expect(page.locator(".sky-legend li").first).to_be_visible()
    return page


def choose(page: Page, look: str) -> None:
    page.get_by_role("combobox", name="Look").select_option(look)


def test_the_sign_in_page_passes_the_audit_in_every_look(context: BrowserContext, server: Server) -> None:
    page = sign_in(context.new_page(), server, password="wrong password")
    expect(page.get_by_role("alert")).to_be_visible()
    for look in LOOKS:
        page.evaluate("(look) => localStorage.setItem('dbwatch-look', look)", look)
        page.reload()
        assert page.evaluate("document.documentElement.dataset.look ?? 'cosmos'") == look
        assert violations(page) == []


def test_the_page_passes_the_audit_in_every_look_live_or_not(page: Page, alive: Callable[..., None]) -> None:
    for look in LOOKS:
        choose(page, look)
        assert violations(page) == []
    page.get_by_role("button", name="One feed").click()
    assert violations(page) == []
    page.get_by_role("button", name="Side by side").click()
    alive(ahead_ms=-60_000)
    expect(page.locator('.status[data-level="down"]')).to_be_visible()
    for look in LOOKS:
        choose(page, look)
        assert violations(page) == []


def test_the_list_of_keys_opens_by_key_passes_the_audit_and_closes(page: Page) -> None:
    page.locator("body").press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    assert violations(page) == []
    dialog.get_by_label("Single keys act").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.locator("body").press("p")
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")


def test_single_keys_act_but_not_while_somebody_types(page: Page) -> None:
    page.locator("body").press("p")
    go_on = page.get_by_role("button", name="Go on")
    expect(go_on).to_have_attribute("aria-pressed", "true")
    page.locator("body").press("l")
    expect(go_on).to_have_count(0)
    page.evaluate("document.querySelector('header').append(document.createElement('textarea'))")
    page.locator("textarea").press("p")
    expect(page.locator("textarea")).to_have_value("p")
    expect(go_on).to_have_count(0)


def test_the_page_can_be_used_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the changes")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    table = page.get_by_role("region", name="Updated rows")
    for _ in range(60):
        page.keyboard.press("Tab")
        if table.evaluate("(el) => el === document.activeElement"):
            break
    expect(table).to_be_focused()
    page.keyboard.press("ArrowDown")
    fan_out = table.get_by_role("button", expanded=False)
    expect(fan_out).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".updated tbody tr").nth(1)).to_be_focused()
    page.keyboard.press("Home")
    expect(fan_out).to_be_focused()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Escape")
    expect(table).to_be_focused()


def test_a_look_is_kept_shared_by_tabs_and_there_before_the_page_is_drawn(
    context: BrowserContext, server: Server, page: Page
) -> None:
    other = context.new_page()
    other.goto(f"{server.url}/app")
    choose(page, "light")
    expect(other.get_by_role("combobox", name="Look")).to_have_value("light")
    other.add_init_script(
        "new MutationObserver(() => { if (document.body) window.first ??= document.documentElement.dataset.look })"
        ".observe(document, {childList: true, subtree: true})"
    )
    other.reload()
    expect(other.get_by_role("combobox", name="Look")).to_have_value("light")
    assert other.evaluate("window.first") == "light"
    assert other.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(243, 244, 248)"
    other.close()


def test_the_plain_look_follows_the_system_and_has_no_sky(page: Page) -> None:
    choose(page, "plain")
    for scheme, colour in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("body")).to_have_css("background-color", colour)
    expect(page.locator("#sky")).to_be_hidden()
    expect(page.locator(".sky-legend")).to_be_hidden()
    before = page.evaluate(FRAMES)
    page.evaluate(TWENTY_FRAMES)
    assert page.evaluate(FRAMES) == before


def test_less_motion_is_one_still_frame_and_the_wish_may_change(page: Page) -> None:
    page.emulate_media(reduced_motion="no-preference")
    wait_until(lambda: page.evaluate(FRAMES) > 5, what="the sky moves")
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(TWENTY_FRAMES)
    still = page.evaluate(FRAMES)
    page.evaluate(TWENTY_FRAMES)
    assert page.evaluate(FRAMES) == still
    assert page.evaluate("document.getAnimations().filter((of) => of.playState === 'running').length") == 0
    drawn = "document.getElementById('sky').getContext('2d').getImageData(0, 0, 900, 300).data.some((n) => n)"
    assert page.evaluate(drawn)
    page.emulate_media(reduced_motion="no-preference")
    wait_until(lambda: page.evaluate(FRAMES) > still + 5, what="the sky moves again")


def test_the_planets_are_said_as_text(page: Page) -> None:
    legend = page.get_by_role("contentinfo").get_by_role("listitem")
    expect(legend).to_have_count(1)
    expect(legend.first).to_contain_text("movies")
    expect(legend.first).to_contain_text("/s")


def test_everything_that_opens_passes_the_audit(page: Page) -> None:
    drawer = page.get_by_role("complementary")
    page.get_by_role("region", name="Updated rows").get_by_role("button", expanded=False).click()
    assert violations(page) == [], "a fan-out"
    for table, key in (("Created", "ArrowDown"), ("Updated", "End")):
        page.get_by_role("region", name=f"{table} rows").press("ArrowDown")
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        expect(drawer.get_by_role("tab", name="Raw")).to_be_visible()
        assert violations(page) == [], table
        page.keyboard.press("Escape")
        expect(drawer).to_be_hidden()
    for key, inside in (("h", "Export"), ("s", "Processes")):
        page.locator("body").press(key)
        expect(drawer).to_contain_text(inside)
        choose(page, "light")
        assert violations(page) == [], key
        choose(page, "cosmos")
        assert violations(page) == [], key
        page.locator("#drawer-title").press("Escape")
        expect(drawer).to_be_hidden()
    page.get_by_role("button", name="Audit", exact=True).click()
    expect(drawer).to_be_visible()
    assert violations(page) == []
    page.locator("#drawer-title").press("Escape")
    for popup in page.locator(".popup > .tool").all():
        popup.click()
        assert violations(page) == [], popup.inner_text()
        page.keyboard.press("Escape")


def test_the_page_and_its_drawer_pass_the_audit_on_a_phone(
    chromium: Browser, server: Server, token: str, rows: None, alive: Callable[..., None]
) -> None:
    alive(count=12)
    context = chromium.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = opened(context, server, token)
    expect(page.locator(".created tbody tr").first).to_be_visible()
    assert violations(page) == []
    page.locator(".created tbody tr").first.tap()
    expect(page.get_by_role("tab", name="Raw")).to_be_visible()
    assert violations(page) == []
    context.close()
