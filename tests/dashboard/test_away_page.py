"""While you were away, in real browsers: what was missed is told, paged through once, and taken for seen."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, WebSocketRoute, expect
from redis import Redis

from connectors.dead_letters import DeadLetter
from connectors.records import Record, Versions
from connectors.settings import Keys
from connectors.stretches import Seen, entry_id_of
from dbwatch.valkey import Valkey
from tests.conftest import wait_until
from tests.dashboard.auditing import violations
from tests.dashboard.browsing import NAME, opened
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser
SCREENSHOTS = Path("test-results/dashboard")


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(f"test-{uuid.uuid4().hex[:12]}", 3)


@pytest.fixture(scope="module")
def env(valkey: Valkey, keys: Keys) -> dict[str, str]:
    return {"REDIS_URL": valkey.uri, "DBWATCH_PREFIX": keys.prefix, "DBWATCH_STREAM_SHARDS": "3"}


@pytest.fixture
def other(chromium: Browser) -> Iterator[BrowserContext]:
    """Another browser of the same person."""
    context = chromium.new_context(viewport={"width": 1366, "height": 800})
    yield context
    context.close()


class Feed:
    """Writes records over the shards, and knows their addresses."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._written = 0

    def write(self, count: int) -> list[str]:
        return [self._one() for _ in range(count)]

    def _one(self) -> str:
        self._written += 1
        n = self._written
        shard, now_ms = n // 3 % 3, time.time_ns() // 1_000_000
        row = json.dumps({"title": f"Film {n}", "year": 1999})
        op = "cud"[n % 3]
        record = Record("movies", "u", f"k{n % 7}", now_ms, "p", Versions("p", {}), after=row, changed=("title",))
        record = record._replace(op=op, changed=("title",) if op == "u" else None)
        if op == "d":
            record = record._replace(before=row, after=None)
        return f"{shard}/{self._client.xadd(self._keys.changes[shard], {**record.to_fields()})}"

    def trim(self, left: int) -> None:
        for stream in self._keys.changes:
            self._client.xtrim(stream, maxlen=left, approximate=False)

    def seen(self, address: str) -> bool:
        """Whether Redis says that the person has seen it."""
        shard, _, entry_id = address.partition("/")
        text = self._client.hget(self._keys.of_user(NAME, "seen"), self._keys.changes[int(shard)])
        if text is None:
            return False
        return any(entry_id_of(entry_id) in stretch for stretch in Seen.from_text(str(text)).stretches)

    def wait_until_seen(self, addresses: list[str]) -> None:
        wait_until(lambda: all(map(self.seen, addresses)), 15, what="the page says what it has shown")


@pytest.fixture(scope="module")
def feed(client: Redis, keys: Keys) -> Feed:
    return Feed(client, keys)


def notice(page: Page) -> str:
    expect(page.locator(".away h2 strong")).to_be_visible(timeout=15_000)
    return page.locator(".away h2 strong").inner_text()


def in_table(page: Page, address: str) -> Locator:
    return page.locator(f'#tables tr[data-address="{address}"]')


def addresses(page: Page) -> list[str]:
    return page.locator(".away-rows tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.address)")


def paged_through(page: Page) -> list[str]:
    """Every address of the missed records, page by page, to the end."""
    page.get_by_role("button", name="Page through them").click()
    found: list[str] = []
    while True:
        position = page.locator(".away-position", has_text=f"{len(found) + 1:,}–")
        expect(position).to_be_visible()
        found += addresses(page)
        following = page.locator(".away-turn button").last
        if following.is_disabled():
            return found
        following.click()


def hide(page: Page, hidden: bool) -> None:
    """What a browser does when another tab is looked at."""
    state = "hidden" if hidden else "visible"
    page.evaluate(
        """(state) => {
          Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state })
          document.dispatchEvent(new Event("visibilitychange"))
        }""",
        state,
    )


@pytest.fixture
def told(alive: Callable[..., None]) -> None:
    alive()


def test_what_was_missed_is_told_paged_through_once_and_then_seen(
    context: BrowserContext,
    other: BrowserContext,
    server: Server,
    token: str,
    told: None,
    feed: Feed,
    client: Redis,
    keys: Keys,
) -> None:
    feed.write(5)  # before anybody came: nobody's to miss
    page = opened(context, server, token)
    expect(page.locator(".away")).to_be_hidden()
    watched = feed.write(4)
    feed.wait_until_seen(watched)
    page.close()

    missed = feed.write(120)
    letter = DeadLetter("join", "movies", "k", "u", "p", 1, "<b>no such field</b>", "{}")
    client.xadd(keys.deadletter, {**letter.to_fields(at_ms=1)})
    page = opened(other, server, token)
    assert notice(page) == "120 changes"
    expect(page.locator(".away summary")).to_have_text("40 created, 40 updated, 40 deleted, 1 error")
    page.locator(".away summary").click()
    expect(page.locator('.away tbody [data-kind="c"]')).to_be_visible()
    expect(page.locator('.away tbody [data-kind="c"]')).to_have_text("40")
    expect(page.locator(".away ol li")).to_have_count(4)
    expect(page.locator(".away ol li").first).to_contain_text("18×")
    expect(page.locator(".away")).to_contain_text("<b>no such field</b>")
    page.screenshot(path=SCREENSHOTS / "away.png")
    assert violations(page) == []

    live = feed.write(2)  # what comes meanwhile is live, and not mixed in
    expect(in_table(page, live[-1])).to_have_count(1)
    found = paged_through(page)
    assert sorted(found) == sorted(missed)
    assert len(set(found)) == len(found)
    expect(page.locator(".away-position")).to_have_text("101–120 of 120: that was all")
    expect(page.locator(".away")).to_be_hidden()
    page.get_by_role("button", name="Earlier").click()
    expect(page.locator(".away-position")).to_have_text("51–100 of 120")
    page.screenshot(path=SCREENSHOTS / "away-pages.png")
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page) == []
    feed.wait_until_seen([*missed, *live])
    page.close()
    page = opened(other, server, token)
    expect(page.locator("#tables tr[data-address]")).not_to_have_count(0)
    expect(page.locator(".away")).to_be_hidden()


def test_stopping_in_between_keeps_the_rest_and_one_tab_marks_it_for_all(
    context: BrowserContext, server: Server, token: str, told: None, feed: Feed
) -> None:
    page = opened(context, server, token)
    feed.wait_until_seen(feed.write(1))
    page.close()
    missed = feed.write(60)
    page, tab = opened(context, server, token), opened(context, server, token)
    assert notice(page) == notice(tab) == "60 changes"
    page.get_by_role("button", name="Page through them").click()
    expect(page.locator(".away-position")).to_have_text("1–50 of 60")
    feed.wait_until_seen(addresses(page))
    page.keyboard.press("Escape")
    expect(page.locator(".away h2 strong")).to_have_text("10 changes")
    expect(tab.locator(".away h2 strong")).to_have_text("10 changes")
    page.get_by_role("button", name="Mark as seen").click()
    for open_page in (page, tab):
        expect(open_page.locator(".away")).to_be_hidden()
    feed.wait_until_seen(missed)


def test_a_hidden_tab_sees_nothing_and_a_trimmed_feed_says_what_is_missing(
    context: BrowserContext, other: BrowserContext, server: Server, token: str, told: None, feed: Feed
) -> None:
    page = opened(context, server, token)
    before = feed.write(1)
    feed.wait_until_seen(before)
    hide(page, hidden=True)
    few = feed.write(3)
    expect(in_table(page, few[-1])).to_have_count(1)
    page.wait_for_timeout(1500)  # longer than it takes to say what was shown
    assert not any(map(feed.seen, few))
    hide(page, hidden=False)  # all of it stands in the tables
    feed.wait_until_seen(few)
    expect(page.locator(".away")).to_be_hidden()
    hide(page, hidden=True)
    expect(in_table(page, feed.write(300)[-1])).to_have_count(1)
    feed.trim(30)
    hide(page, hidden=False)
    assert notice(page) == "90 changes"
    expect(page.locator(".away-gone")).to_contain_text("The feed begins at")
    expect(page.locator(".away-gone")).to_contain_text("gone: 210 records.")
    fresh = opened(other, server, token)
    assert notice(fresh) == "90 changes"
    fresh.get_by_role("button", name="Mark as seen").click()
    expect(fresh.locator(".away")).to_be_hidden()


def test_who_is_back_soon_needs_no_notice_and_a_restarted_server_loses_nothing(
    context: BrowserContext, server: Server, token: str, told: None, feed: Feed
) -> None:
    page = opened(context, server, token)
    feed.wait_until_seen(feed.write(2))
    page.goto("about:blank")
    few = feed.write(3)
    opened(context, server, token, page)  # all of it stands in the tables
    feed.wait_until_seen(few)
    expect(page.locator(".away")).to_be_hidden()

    shown = feed.write(5)
    expect(in_table(page, shown[-1])).to_have_count(1)
    server.stop()
    missed = feed.write(200)  # more than the tables hold
    server.start()
    expect(page.locator(".away h2 strong")).to_have_text("200 changes", timeout=30_000)
    assert all(map(feed.seen, shown))  # the page said once more what the server may not have heard
    assert sorted(paged_through(page)) == sorted(missed)


def test_what_comes_while_the_server_hangs_is_told_on_the_page_that_stood_open(
    context: BrowserContext, server: Server, token: str, told: None, feed: Feed
) -> None:
    context.add_init_script("{ const now = Date.now; Date.now = () => now() + 30 * 3600_000 }")  # a wrong clock
    page = opened(context, server, token)
    shown = feed.write(5)
    expect(in_table(page, shown[-1])).to_have_count(1)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        expect(page.locator(".status")).to_contain_text("Cut off", timeout=5000)
        lately = [time.strftime("since %H:%M", time.localtime(time.time() - ago_s)) for ago_s in (0, 30)]
        expect(page.locator(".status .since")).to_contain_text(re.compile("|".join(lately)))
        missed = feed.write(200)  # more than the tables hold
    finally:
        os.kill(server.pid, signal.SIGCONT)
    expect(page.locator(".away h2 strong")).to_have_text("200 changes", timeout=30_000)
    assert sorted(paged_through(page)) == sorted(missed)


class Network:
    """The way of a page to its server, which may hang: what was sent meanwhile comes at once when it goes on."""

    def __init__(self, page: Page) -> None:
        self._held: list[tuple[WebSocketRoute, str | bytes]] | None = None
        page.route_web_socket("**/ws*", self._connect)
        page.route("**/healthz", lambda route: route.abort() if self._held is not None else route.continue_())

    def _connect(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()
        server_side.on_message(lambda message: self._pass(page_side, message))

    def _pass(self, page_side: WebSocketRoute, message: str | bytes) -> None:
        if self._held is None:
            page_side.send(message)
        else:
            self._held.append((page_side, message))

    def hang(self) -> None:
        self._held = []

    def go_on(self) -> None:
        held, self._held = self._held or [], None
        for page_side, message in held:
            page_side.send(message)


def test_what_comes_while_the_network_hangs_is_told_though_old_beats_come_before_it(
    context: BrowserContext, server: Server, token: str, told: None, feed: Feed
) -> None:
    page = context.new_page()
    network = Network(page)
    opened(context, server, token, page)
    shown = feed.write(5)
    expect(in_table(page, shown[-1])).to_have_count(1)
    network.hang()
    expect(page.locator(".status")).to_contain_text("Cut off", timeout=6000)
    missed: list[str] = []
    for _ in range(4):  # with beats of the server in between
        missed += feed.write(50)
        page.wait_for_timeout(1200)
    network.go_on()
    expect(page.locator(".away h2 strong")).to_have_text("200 changes", timeout=30_000)
    assert sorted(paged_through(page)) == sorted(missed)
