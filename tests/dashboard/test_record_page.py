"""The detail of a record and the rows of a fan-out, in a real browser."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from redis import Redis

from connectors.records import LookupVersion, Record, Versions
from connectors.settings import Keys
from tests.dashboard.auditing import violations
from tests.dashboard.browsing import add, opened
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser

SCREENSHOTS = Path("test-results/dashboard")
EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
BEFORE = {
    "_id": "573a1390f29313caabcd42e8",
    "title": "The Matrx",
    "year": 1999,
    "imdb": {"rating": 8.3, "votes": 1_900_000},
    "genres": ["Action", "Drama", "Sci-Fi"],
    "cast": [
        {"_id": 1, "name": "Keanu Reeves", "role": "Neo"},
        {"_id": 2, "name": "Carrie-Anne Moss", "role": "Trinity"},
    ],
    "plot": "A hacker learns " + "the truth " * 30 + "from rebels.",
    "runtime": 136,
}
AFTER = {
    **BEFORE,
    "title": "The Matrix",
    "imdb": {"rating": 8.7, "votes": 1_900_000},
    "genres": ["Action", "Sci-Fi"],
    "cast": [
        {"_id": 1, "name": "Keanu Reeves", "role": "Thomas Anderson"},
        {"_id": 3, "name": EVIL, "role": "مورفيوس 🕶️"},
    ],
    "plot": "A hacker learns " + "the truth " * 30 + "from mysterious rebels.",
    "languages": ["English"],
}


def updated(client: Redis, keys: Keys, before: dict[str, Any], after: dict[str, Any], **changes: Any) -> None:
    add(client, keys, "u", "", before=json.dumps(before), after=json.dumps(after), changed=tuple(after), **changes)


def drawer(page: Page) -> Locator:
    """The side panel with the record, once it is there."""
    expect(page.locator(".record")).not_to_have_attribute("aria-busy", "true")
    return page.locator(".drawer")


def open_newest(page: Page, text: str) -> Locator:
    row = page.locator(".updated tbody tr", has_text=text).first
    expect(row).to_be_visible()
    row.click()
    return drawer(page)


def shoot(page: Page, name: str, *, is_audited: bool = False) -> None:
    """A picture in both sizes, and in a light look; and, when it is audited, nobody is kept out."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for look in ("light", "cosmos"):
        page.get_by_role("combobox", name="Look").select_option(look, force=True)
        page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png")
        assert not is_audited or violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=SCREENSHOTS / f"{name}-phone.png")
    page.set_viewport_size({"width": 1366, "height": 800})


def test_a_row_opens_to_what_changed_and_a_colleague_can_open_its_address(
    page: Page, context: BrowserContext, server: Server, token: str, client: Redis, keys: Keys
) -> None:
    updated(client, keys, BEFORE, AFTER)
    panel = open_newest(page, "The Matrix")
    expect(panel.get_by_role("heading", level=2)).to_have_text("The Matrix (1999)")
    rating = panel.locator(".change.changed", has_text="rating").last
    expect(rating.locator("del")).to_have_text("8.3")
    expect(rating.locator("ins")).to_have_text("8.7")
    expect(panel.locator("ins mark").first).to_have_text("i")
    expect(panel.locator(".change.removed", has_text="Drama")).to_be_visible()
    expect(panel.locator(".change.removed", has_text="Carrie-Anne Moss")).to_be_visible()
    expect(panel.locator(".change.added", has_text="مورفيوس")).to_contain_text(EVIL)
    expect(panel.locator("ins mark", has_text="mysterious")).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert panel.locator("img, script").count() == 0
    panel.locator(".fold summary").first.click()
    expect(panel.locator(".fold .tree").first).to_contain_text("573a1390f29313caabcd42e8")
    value = panel.locator('[data-path="imdb.rating"]').last
    assert value.get_attribute("data-value") == "8.7"
    shoot(page, "record", is_audited=True)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="Copy link").click()
    expect(page.locator(".said")).to_have_text("The link was copied.")
    assert page.evaluate("navigator.clipboard.readText()") == page.url.replace("%2F", "/")
    panel.get_by_role("tab", name="Raw").click()
    panel.get_by_role("button", name="Copy as JSON").click()
    expect(page.locator(".said")).to_have_text("The record was copied.")
    assert json.loads(page.evaluate("navigator.clipboard.readText().then((text) => JSON.parse(text).after)")) == AFTER
    panel.get_by_role("tab", name="Changes").click()

    value.click()
    page.wait_for_url("**filter=imdb.rating**8.7**")
    expect(panel.get_by_role("heading", level=2)).to_have_text("The Matrix (1999)")
    page.evaluate("document.querySelector('.filter-clear').click()")  # it lies under the drawer
    page.wait_for_url(lambda url: "filter" not in url)

    colleague = context.browser.new_context(viewport={"width": 1366, "height": 800}) if context.browser else context
    other = opened(colleague, server, token, query=f"?{page.url.split('?')[1]}")
    expect(drawer(other).locator(".change.removed", has_text="Drama")).to_be_visible()
    other.keyboard.press("Escape")
    expect(other.locator(".drawer")).to_be_hidden()
    assert "record" not in other.url
    colleague.close()


def test_a_row_opens_by_keyboard_to_its_tabs_and_gives_the_focus_back(page: Page, client: Redis, keys: Keys) -> None:
    lookups = {"movie": LookupVersion(2, "m1", "p9"), "user": LookupVersion(1, None, None)}
    joined = {"text": "Whoa.", "movie": {"title": "Heat"}, "user": None}
    rejoined = {"versions": Versions("p0", lookups), "cause": "movie", "view": "comments", "key": "c7"}
    updated(client, keys, {**joined, "movie": {"title": "Heet"}}, joined, **rejoined)
    row = page.locator(".updated tbody tr", has_text="Whoa.").first
    row.focus()
    page.keyboard.press("Enter")
    panel = drawer(page)
    expect(panel.locator(".cause").first).to_contain_text("Its movie did: Heat:")
    panel.get_by_role("tab", name="Changes").focus()
    page.keyboard.press("ArrowRight")
    expect(panel.get_by_role("tabpanel")).to_contain_text("Whoa.")
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".raw")).to_contain_text('"Heet"')
    page.keyboard.press("ArrowRight")
    expect(panel.get_by_role("tabpanel")).to_contain_text("user: refers to nothing.")
    expect(panel.get_by_role("tabpanel")).to_contain_text("From the commit of the joined row's change")
    shoot(page, "record-origin", is_audited=True)
    page.keyboard.press("Escape")
    expect(row).to_be_focused()


def test_one_goes_from_record_to_record_of_a_row_and_back_in_the_browser(page: Page, client: Redis, keys: Keys) -> None:
    for n in range(3):
        updated(client, keys, {"title": f"Step {n}"}, {"title": f"Step {n + 1}"}, key="walked", cause=None)
        add(client, keys, "c", "Between", key=f"other {n}")
    panel = open_newest(page, "Step 3")
    panel.get_by_role("button", name="Earlier").click()
    expect(panel.get_by_role("heading", level=2)).to_have_text("Step 2")
    panel.get_by_role("button", name="Later").click()
    expect(panel.get_by_role("heading", level=2)).to_have_text("Step 3")
    panel.get_by_role("button", name="Later").click()
    expect(panel.get_by_role("status")).to_have_text("There is no later record of this row.")
    page.go_back()
    expect(panel.get_by_role("heading", level=2)).to_have_text("Step 2")
    panel.get_by_role("link", name="History of this row").click()
    expect(panel.locator("tr[data-address]")).to_have_count(3)
    page.go_back()
    expect(panel.get_by_role("heading", level=2)).to_have_text("Step 2")
    page.go_forward()
    panel.locator("tr[data-address]").first.click()
    expect(panel.get_by_role("heading", level=2)).to_have_text("Step 3")


def test_a_huge_row_opens_quickly_and_shows_more_when_asked(page: Page, client: Redis, keys: Keys) -> None:
    wide = {f"column {n:03}": n for n in range(500)}
    row = {"title": "Huge", "text": "x" * 1_000_000 + "END", **wide}
    updated(client, keys, row, {**row, **dict.fromkeys(wide, -1)}, key="huge")
    line = page.locator(".updated tbody tr", has_text="Huge").first
    expect(line).to_be_visible()
    began = time.monotonic()
    line.click()
    panel = drawer(page)
    expect(panel.locator(".diff-tree > .change")).to_have_count(500)
    assert time.monotonic() - began < 8
    panel.get_by_role("tab", name="Row").click()
    more = panel.get_by_role("button", name="Show more").first
    shoot(page, "record-huge")
    for _ in range(5):  # 200,000 characters at a time
        more.click()
    expect(panel.locator(".tree > li", has_text="xEND")).to_have_count(1)


def test_a_record_that_is_not_there_and_an_address_that_is_none_are_said_to_be(
    page: Page, context: BrowserContext, server: Server, token: str
) -> None:
    opened(context, server, token, page, query="?record=0/1-1")
    expect(page.get_by_role("alert")).to_have_text("This record is no longer in the feed: it was trimmed.")
    expect(page.locator(".record")).to_contain_text("The feed has what Redis took from")
    opened(context, server, token, page, query="?record=7/1-1")
    expect(page.get_by_role("alert")).to_contain_text("this feed has one stream, number 0")
    opened(context, server, token, page, query="?record=%3Cimg%3E")
    expect(page.get_by_role("alert")).to_contain_text("is no address of a record; expected")


def rejoin(client: Redis, keys: Keys, rows: range) -> None:
    pipeline = client.pipeline(transaction=False)
    for n in rows:
        row = {"text": f"comment {n}", "movie": {"title": "Inception", "year": 2010}}
        record = Record(
            "comments",
            "u",
            f"k{n}",
            time.time_ns() // 1_000_000,
            "p77",
            Versions("p0", {"movie": LookupVersion(2, "m1", "p77")}),
            before=json.dumps({**row, "movie": {"title": "Inceptoin", "year": 2010}}),
            after=json.dumps(row),
            changed=("movie.title",),
            cause="movie",
        )
        pipeline.xadd(keys.changes[0], {**record.to_fields()})
    pipeline.execute()


def test_a_fan_out_is_one_line_that_grows_and_opens_to_its_rows(page: Page, client: Redis, keys: Keys) -> None:
    rejoin(client, keys, range(1))
    single = page.locator(".updated tbody tr", has_text="comment 0")
    expect(single.locator(".cause")).to_have_text("because its movie changed")
    rejoin(client, keys, range(1, 80))
    line = page.locator(".updated tbody tr.group")
    expect(line).to_have_count(1)
    expect(line.locator(".fan")).to_have_text("Inception: title changed, 80 comments re-joined")
    add(client, keys, "u", "Among them", before='{"title":"Amung"}', changed=("title",))
    rejoin(client, keys, range(80, 700))
    toggle = line.get_by_role("button", name="Inception: title changed, 700 comments re-joined")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    assert page.locator(".updated tbody > tr:visible", has_text="comment 1").count() == 0
    toggle.focus()
    page.keyboard.press("Enter")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(line.locator(".members tbody tr")).to_have_count(20)
    expect(line.locator(".members tbody tr").first).to_contain_text("comment 699")
    page.keyboard.press("Tab")
    expect(line.locator(".members tbody tr").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(line.locator(".members tbody tr").nth(1)).to_be_focused()
    shoot(page, "fan-out", is_audited=True)
    line.get_by_role("button", name="All 700").click()
    rows = page.locator(".fan-out-list tbody tr")
    for shown in (200, 400, 600):
        expect(rows).to_have_count(shown)
        page.locator(".fan-out-list").get_by_role("button", name="Older").click()
    expect(rows).to_have_count(700)
    expect(page.locator(".fan-out-list")).to_contain_text("These are all 700.")
    expect(rows.last).to_contain_text("comment 0")
    shoot(page, "fan-out-all")
    rows.last.focus()
    page.keyboard.press("Enter")
    expect(drawer(page).get_by_role("heading", level=2)).to_have_text("comment 0")
