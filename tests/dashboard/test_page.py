"""The page in a real browser, on the real server and a real Valkey."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect
from redis import Redis

from connectors.accounts import Accounts
from connectors.records import LookupVersion, Record, Versions
from connectors.settings import Keys
from tests.conftest import StartRedis, wait_until
from tests.dashboard.browsing import LIVE, NAME, PASSWORD, add, opened, sign_in, tell_alive
from tests.dashboard.serving import Server, serving

pytestmark = pytest.mark.browser

SCREENSHOTS = Path("test-results/dashboard")


def test_nothing_is_seen_before_signing_in_and_a_wrong_password_stays_out(
    context: BrowserContext, server: Server, client: Redis, keys: Keys
) -> None:
    add(client, keys, "c", "Hidden Figures")
    page = sign_in(context.new_page(), server, password="wrong password")
    expect(page.get_by_role("alert")).to_have_text("That name and password do not go together.")
    assert page.url.startswith(f"{server.url}/login")
    assert "Hidden Figures" not in page.content()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server.url}/app")
    expect(page.locator(".created tbody tr").first).to_contain_text("Hidden Figures (1999)")


def test_each_change_appears_live_in_its_table(page: Page, client: Redis, keys: Keys) -> None:
    add(client, keys, "c", "Inception")
    expect(page.locator(".created tbody tr").first).to_contain_text("Inception (1999)")
    before = json.dumps({"title": "The Matrx", "year": 1999})
    add(client, keys, "u", "The Matrix", before=before, changed=("title",))
    first = page.locator(".updated tbody tr").first
    expect(first.locator(".old")).to_have_text("The Matrx")
    expect(first.locator(".new")).to_have_text("The Matrix")
    add(client, keys, "d", "Gigli")
    expect(page.locator(".deleted tbody tr").first).to_contain_text("Gigli")
    add(client, keys, "r", "Only read")
    add(client, keys, "c", "After the read")
    expect(page.locator(".created tbody tr").first).to_contain_text("After the read")
    assert "Only read" not in page.locator("main").inner_text()


def test_a_joined_comment_shows_its_film_its_user_and_the_cause(page: Page, client: Redis, keys: Keys) -> None:
    row = {"text": "Whoa.", "movie": {"title": "The Matrix", "year": 1999}, "user": {"name": "Neo"}}
    lookups = {"movie": LookupVersion(2, "x", "p"), "user": LookupVersion(1, "y", "p")}
    add(
        client,
        keys,
        "u",
        "",
        view="comments",
        versions=Versions("p", lookups),
        before=json.dumps({**row, "movie": {"title": "Matrix", "year": 1999}}),
        after=json.dumps(row),
        changed=("movie.title",),
        cause="movie",
    )
    first = page.locator(".updated tbody tr").first
    expect(first).to_contain_text("Whoa.")
    expect(first.locator(".joins")).to_contain_text("The Matrix (1999)")
    expect(first.locator(".joins")).to_contain_text("Neo")
    expect(first.locator(".cause")).to_have_text("because its movie changed")


def test_text_of_the_database_is_shown_as_text(page: Page, client: Redis, keys: Keys) -> None:
    evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    add(client, keys, "c", evil, key=evil, view="<b>movies</b>")
    before = json.dumps({"title": evil})
    add(client, keys, "u", evil + "!", before=before, changed=("title", "<i>f</i>"), cause="<u>c</u>")
    client.xadd(
        keys.rates,
        {"schema": "1", "at_ms": "1", "process": evil, "seconds": "1", "counts": json.dumps({evil: {"c": 1}})},
    )
    expect(page.locator(".created tbody tr").first).to_contain_text(evil)
    expect(page.locator(".updated tbody tr").first.locator(".cause")).to_contain_text("<u>c</u>")
    page.locator(".health-open").click()
    expect(page.locator(".views")).to_contain_text(evil)
    hostile = ", ".join(f"{place} :is(img, script, b, i:not(.dot), u)" for place in ("main", ".drawer"))
    assert page.locator(hostile).count() == 0
    assert page.evaluate("window.hacked") is None


def test_rates_and_latency_are_shown(page: Page, client: Redis, keys: Keys, alive: Callable[..., None]) -> None:
    alive(count=42)
    expect(page.locator('[data-latency="p95"]')).to_have_text("22 ms")
    expect(page.locator(".total .number")).not_to_have_text("0")


def test_the_page_is_light(context: BrowserContext, server: Server, token: str, alive: Callable[..., None]) -> None:
    alive()
    answers: list[Response] = []
    page = context.new_page()
    page.on("response", lambda answer: answers.append(answer))
    opened(context, server, token, page)
    weight = sum(len(answer.body()) for answer in answers if answer.url.startswith(server.url))
    assert weight < 3_300_000
    assert len(answers) < 90


def test_no_request_goes_to_another_host(context: BrowserContext, server: Server, alive: Callable[..., None]) -> None:
    alive()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws://", "http://")))
    sign_in(page, server).wait_for_selector(LIVE)
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((server.url, "data:", f"blob:{server.url}"))] == []


def test_the_page_never_calls_a_silent_or_waiting_flow_live(page: Page, alive: Callable[..., None]) -> None:
    alive(count=3)
    expect(page.locator(".sky-legend")).to_contain_text("movies")
    reading = {"collection": "users", "read": 5, "expected": 185}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"state": "holding", "holding_reason": "OOM"}, "held", "OOM"),
        ({"state": "snapshot", "snapshot": reading}, "busy", "of about 185"),
        ({"ahead_ms": -6000}, "down", "Flow down"),
    ]
    for figures, level, says in cases:
        alive(**figures)
        expect(page.locator(f'.status[data-level="{level}"]')).to_contain_text(says, timeout=5000)
    expect(page.locator(".root")).to_have_class("root stale")
    expect(page.locator(".total .number")).to_have_text("–")
    expect(page.locator(".sky-legend")).to_contain_text("movies –")


def test_a_flood_is_cut_and_said_to_be(page: Page, client: Redis, keys: Keys, alive: Callable[..., None]) -> None:
    deadline = time.monotonic() + 15
    while page.locator(".notice").is_hidden():
        assert time.monotonic() < deadline
        pipeline = client.pipeline(transaction=False)
        for n in range(1000):
            fields = Record("movies", "c", f"k{n}", 0, "p", Versions("p", {}), after='{"title":"Flood"}').to_fields()
            pipeline.xadd(keys.changes[0], {**fields})
        pipeline.execute()
        alive(count=5000)
    expect(page.locator(".notice")).to_contain_text("a second are left out")
    assert page.locator(".created tbody tr").count() <= 60
    expect(page.locator(".notice")).to_be_hidden()


def test_rows_stand_still_while_the_pointer_is_on_them(page: Page, client: Redis, keys: Keys) -> None:
    add(client, keys, "c", "Seen first")
    expect(page.locator(".created tbody tr").first).to_contain_text("Seen first")
    page.locator(".created tbody tr").first.hover()
    add(client, keys, "c", "Comes later")
    more = page.locator(".created .more")
    expect(more).to_have_text("1 new ↑")
    expect(page.locator(".created tbody tr").first).to_contain_text("Seen first")
    more.click()
    expect(page.locator(".created tbody tr").first).to_contain_text("Comes later")


def test_signing_out_closes_every_tab(
    context: BrowserContext, server: Server, page: Page, client: Redis, keys: Keys
) -> None:
    other = context.new_page()
    other.goto(f"{server.url}/app")
    other.wait_for_selector(LIVE)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{server.url}/login")
    add(client, keys, "c", "Too late")
    other.wait_for_url(f"{server.url}/login**")
    assert "Too late" not in other.content()


def test_a_removed_user_is_cut_off(
    context: BrowserContext, server: Server, accounts: Accounts, alive: Callable[..., None]
) -> None:
    alive()
    accounts.add("mouse", PASSWORD)
    page = sign_in(context.new_page(), server, "mouse")
    page.wait_for_selector(LIVE)
    accounts.remove("mouse")
    page.wait_for_url(f"{server.url}/login**")


def test_after_a_restart_the_page_comes_back_by_itself(
    context: BrowserContext,
    token: str,
    env: dict[str, str],
    tmp_path: Path,
    client: Redis,
    keys: Keys,
    alive: Callable[..., None],
) -> None:
    alive()
    with serving(env, tmp_path) as server:
        page = opened(context, server, token)
        server.stop()
        expect(page.locator(".status")).to_contain_text("Cut off", timeout=8000)
        add(client, keys, "c", "While away")
        server.start()
        page.wait_for_selector(LIVE)
        rows = page.locator(".created tbody tr", has_text="While away")
        expect(rows).to_have_count(1)


def test_while_redis_is_away_the_page_says_so_and_goes_on_after(
    context: BrowserContext, start_redis: StartRedis, tmp_path: Path
) -> None:
    keys = Keys("p")
    redis = start_redis(folder=tmp_path / "redis", extra_args=["--appendonly", "yes"])
    client = Redis.from_url(redis.uri, decode_responses=True)
    Accounts(client, keys).add(NAME, PASSWORD)
    tell_alive(client, keys)
    with serving({"REDIS_URL": redis.uri, "DBWATCH_PREFIX": "p"}, tmp_path) as server:
        page = sign_in(context.new_page(), server)
        page.wait_for_selector(LIVE)
        client.close()
        redis.stop()
        expect(page.locator(".status")).to_contain_text("Cannot read Redis", timeout=8000)
        expect(page.locator(".status")).to_contain_text("since")
        expect(page.locator(".todo code")).to_contain_text("ping")
        redis.start()
        add(client, keys, "c", "Back again")
        expect(page.locator(".created tbody tr").first).to_contain_text("Back again")
        page.wait_for_selector(LIVE)
        client.close()


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [("phone", 390, 844), ("laptop", 1366, 768), ("laptop", 1280, 720), ("wall", 2560, 1440)],
)
def test_the_page_fits_its_screen(
    chromium: Browser,
    server: Server,
    token: str,
    client: Redis,
    keys: Keys,
    alive: Callable[..., None],
    name: str,
    width: int,
    height: int,
) -> None:
    alive(count=3)
    add(client, keys, "c", "A long title " * 12)
    context = chromium.new_context(viewport={"width": width, "height": height}, is_mobile=name == "phone")
    page = opened(context, server, token)
    wide = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert wide <= width
    tables, legend = (page.locator(part).bounding_box() for part in (".tables", ".sky-legend"))
    assert tables is not None
    assert legend is not None
    assert tables["y"] + tables["height"] <= legend["y"]
    # The rows are what the page is for, also under the notice of who was away.
    assert tables["y"] <= height * (0.42 if name == "laptop" else 0.85)
    shown = [table for table in ("created", "updated", "deleted") if page.locator(f"section.{table}").is_visible()]
    if name == "phone":
        assert shown == ["created"]
        page.get_by_role("button", name="Deleted").click()
        expect(page.locator("section.deleted")).to_be_visible()
        expect(page.locator("section.created")).to_be_hidden()
    else:
        assert shown == ["created", "updated", "deleted"]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    context.close()


def test_with_nobody_watching_the_server_reads_nothing(
    context: BrowserContext, start_redis: StartRedis, tmp_path: Path
) -> None:
    keys = Keys("p")
    redis = start_redis()
    quick = ["--unused-session-lifetime", "200", "--check-unused-sessions", "200"]
    with (
        Redis.from_url(redis.uri, decode_responses=True) as client,
        serving({"REDIS_URL": redis.uri, "DBWATCH_PREFIX": "p"}, tmp_path, options=quick) as server,
    ):
        Accounts(client, keys).add(NAME, PASSWORD)
        tell_alive(client, keys)
        sign_in(context.new_page(), server).wait_for_selector(LIVE)
        context.close()

        def reads() -> int:
            stats: dict[str, dict[str, int]] = client.info("commandstats")
            return stats["cmdstat_xrevrange"]["calls"]

        def is_quiet() -> bool:
            before = reads()
            time.sleep(0.5)
            return reads() == before

        assert reads() > 0
        wait_until(is_quiet, what="the server stops reading")
