"""Filters in a real browser: typed, clicked, saved, in the address, and kept for the user."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from redis import Redis

from connectors.accounts import Accounts, SignedIn
from connectors.records import LookupVersion, Versions
from connectors.settings import Keys
from tests.dashboard.auditing import violations
from tests.dashboard.browsing import LIVE, PASSWORD, add, opened
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser


def field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Filter", exact=True)


def chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Parts of the filter").get_by_role("listitem")


def apply(page: Page, text: str) -> None:
    field(page).fill(text)
    field(page).press("Enter")


def created(page: Page) -> Locator:
    return page.locator(".created tbody tr")


def add_comment(client: Redis, keys: Keys) -> None:
    """A comment that its film's new title reached."""
    row = {"text": "Whoa.", "movie": {"title": "The Matrix", "year": 1999}, "user": {"name": "Neo"}}
    add(
        client,
        keys,
        "u",
        "",
        view="comments",
        versions=Versions("p", {"movie": LookupVersion(2, "x", "p"), "user": LookupVersion(1, "y", "p")}),
        before=json.dumps({**row, "movie": {"title": "Matrix", "year": 1999}}),
        after=json.dumps(row),
        changed=("movie.title",),
        cause="movie",
    )


@pytest.fixture
def someone(accounts: Accounts) -> str:
    """A session of somebody who has no filters yet."""
    name = f"u{uuid.uuid4().hex[:12]}"
    accounts.add(name, PASSWORD)
    signed_in = accounts.sign_in(name, PASSWORD, address="127.0.0.1")
    assert isinstance(signed_in, SignedIn)
    return signed_in.token


@pytest.fixture
def page(context: BrowserContext, server: Server, someone: str, alive: Callable[..., None]) -> Page:
    alive()
    return opened(context, server, someone)


def test_what_is_typed_is_applied_by_enter_in_the_tables_the_address_and_the_parts(
    page: Page, client: Redis, keys: Keys
) -> None:
    add(client, keys, "c", "Alien")
    add(client, keys, "c", "Brazil")
    expect(created(page).first).to_contain_text("Brazil")
    page.keyboard.press("/")
    expect(field(page)).to_be_focused()
    page.keyboard.type('alien  "1999"')
    expect(page.get_by_role("button", name="Apply")).to_be_visible()
    page.keyboard.press("Enter")
    expect(created(page)).to_have_count(1)
    expect(created(page)).to_contain_text("Alien")
    expect(field(page)).to_have_value("alien 1999")
    assert "filter=alien+1999" in page.url
    expect(chips(page)).to_have_text(["alien", "1999"])
    add(client, keys, "c", "Casablanca")
    add(client, keys, "c", "Aliens")
    expect(created(page).first).to_contain_text("Aliens")
    expect(created(page)).to_have_count(2)

    page.get_by_role("button", name="Turn round: alien").click()
    expect(field(page)).to_have_value("-alien 1999")
    expect(created(page).first).to_contain_text("Casablanca")
    page.get_by_role("button", name="Remove: -alien").click()
    expect(chips(page)).to_have_text(["1999"])
    expect(page.get_by_role("button", name="Remove: 1999")).to_be_focused()
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_count(0)
    expect(field(page)).to_be_focused()
    assert "filter" not in page.url
    page.go_back()
    expect(field(page)).to_have_value("1999")
    page.get_by_role("button", name="Clear the filter").click()
    expect(field(page)).to_have_value("")
    field(page).fill("never applied")
    field(page).press("Escape")
    expect(field(page)).to_have_value("")
    expect(field(page)).not_to_be_focused()


def test_where_it_does_not_parse_is_marked_and_nothing_else_changes(page: Page, client: Redis, keys: Keys) -> None:
    add(client, keys, "c", "Dune")
    apply(page, "view:movies (<b>dune</b> or year > )")
    error = page.locator(".filter-error")
    expect(error).to_contain_text("Column 14: expected")
    expect(error.locator("mark")).to_have_text("<b>dune</b>")
    assert error.locator("b").count() == 0
    assert page.evaluate("getSelection().toString()") == "<b>dune</b>"
    expect(field(page)).to_have_attribute("aria-invalid", "true")
    assert "filter" not in page.url
    assert violations(page) == []
    expect(created(page).first).to_contain_text("Dune")
    apply(page, "year >")
    expect(error).to_contain_text("Column 7: expected a value after >, found the end.")
    page.keyboard.type(" 1998")
    expect(error).to_be_empty()
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_text(["year > 1998"])

    page.get_by_role("button", name="Help with filters").click()
    page.get_by_role("button", name="view:comments").click()
    expect(field(page)).to_have_value("view:comments")
    expect(field(page)).to_be_focused()
    expect(page.locator(".filter-help")).to_be_hidden()


def test_a_click_on_a_value_adds_it_and_with_alt_leaves_it_out(page: Page, client: Redis, keys: Keys) -> None:
    add(client, keys, "u", "The Matrix", before=json.dumps({"title": "Matrix", "year": 1999}), changed=("title",))
    add_comment(client, keys)
    row = page.locator(".updated tbody tr").first
    expect(row).to_contain_text("Whoa.")
    row.locator(".joins bdi", has_text="The Matrix").click()
    expect(field(page)).to_have_value('movie.title = "The Matrix"')
    row.locator(".view").click()
    row.locator(".cause bdi").click()
    expect(chips(page)).to_have_text(['movie.title = "The Matrix"', "view:comments", "cause:movie"])
    row.locator(".view").click(modifiers=["Alt"])
    expect(chips(page)).to_have_text(['movie.title = "The Matrix"', "cause:movie", "-view:comments"])
    expect(page.locator(".updated tbody tr")).to_have_count(0)
    expect(page.locator(".updated .empty")).to_have_text("Nothing yet that the filter lets through.")
    page.get_by_role("button", name="Clear the filter").click()

    row.locator(".new").click(button="right")
    page.get_by_role("button", name="Leave out: movie.title The Matrix").click()
    expect(field(page)).to_have_value('movie.title != "The Matrix"')
    expect(page.locator(".updated tbody tr")).to_have_count(1)
    page.locator(".updated tbody tr").first.focus()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Only these: view movies")).to_be_focused()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator(".updated tbody tr").first).to_be_focused()


def test_filters_are_saved_applied_and_deleted_by_name(page: Page) -> None:
    name = '<img src=x onerror="window.hacked=1">'
    apply(page, "year > 1990")
    expect(chips(page)).to_have_count(1)
    page.get_by_role("button", name="Saved filters").click()
    page.get_by_label("Save the filter in use as").fill(name)
    page.keyboard.press("Enter")
    saved = page.locator(".saved-list li")
    expect(saved).to_have_count(1)
    expect(saved).to_contain_text(name)
    expect(saved).to_contain_text("year > 1990")
    page.get_by_role("combobox", name="Look").evaluate(
        "(el) => { el.value = 'light'; el.dispatchEvent(new Event('change')) }"
    )
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Saved filters")).to_be_focused()
    apply(page, "")
    expect(chips(page)).to_have_count(0)
    page.get_by_role("button", name="Saved filters").click()
    saved.locator(".saved-name").click()
    expect(chips(page)).to_have_text(["year > 1990"])
    page.get_by_role("button", name="Saved filters").click()
    saved.get_by_role("button", name="Delete").click()
    expect(saved).to_have_count(0)
    assert page.evaluate("window.hacked") is None


def test_the_last_filter_comes_back_to_its_user_unless_the_address_names_another(
    chromium: Browser, page: Page, server: Server, someone: str, token: str
) -> None:
    apply(page, "year > 1990 op:u")
    expect(chips(page)).to_have_count(2)
    page.reload()
    page.wait_for_selector(LIVE)
    expect(field(page)).to_have_value("year > 1990 op:updated")
    elsewhere = chromium.new_context()
    other = opened(elsewhere, server, someone)
    expect(field(other)).to_have_value("year > 1990 op:updated")
    assert "filter=" in other.url
    opened(elsewhere, server, someone, other, query="?filter=(a")
    expect(other.locator(".filter-error")).to_contain_text("Column 3")
    expect(field(other)).to_have_value("(a")
    opened(elsewhere, server, token, other, query="?filter=op%3Ad")
    expect(field(other)).to_have_value("op:deleted")
    anothers = opened(elsewhere, server, token)
    expect(field(anothers)).to_have_value("")
    elsewhere.close()
    apply(page, "")
    expect(chips(page)).to_have_count(0)
    page.reload()
    page.wait_for_selector(LIVE)
    expect(field(page)).to_have_value("")


def test_the_bar_fits_a_phone(chromium: Browser, server: Server, someone: str, alive: Callable[..., None]) -> None:
    alive()
    context = chromium.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = opened(context, server, someone)
    apply(page, " ".join(f'title != "A rather long title of film {n}"' for n in range(20)) + " x" * 300)
    expect(chips(page).first).to_be_visible()
    for name in ("Saved filters", "Help with filters"):
        page.get_by_role("button", name=name).tap()
        expect(page.get_by_role("group", name=name)).to_be_in_viewport(ratio=0.9)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.keyboard.press("Escape")
    context.close()
