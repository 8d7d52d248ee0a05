"""The history, its export and the timeline, in a real browser on the real server."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Download, Page, expect
from redis import Redis

from connectors.accounts import Accounts, SignedIn
from connectors.records import Record, Versions, shard_of
from connectors.settings import Keys
from tests.dashboard.auditing import violations
from tests.dashboard.browsing import PASSWORD, opened, tell_alive
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser

SCREENSHOTS = Path("test-results/dashboard")
COUNT = 3000
SHARDS = 3
MINUTES = 10


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(f"test-history-{time.time_ns()}", shards=SHARDS)


@pytest.fixture(scope="module")
def env(valkey: Any, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    config = tmp_path_factory.mktemp("config") / "dbwatch.toml"
    config.write_text("[roles.viewer]\nexport_rows = 500\n", encoding="utf-8")
    return {
        "REDIS_URL": valkey.uri,
        "DBWATCH_PREFIX": keys.prefix,
        "DBWATCH_STREAM_SHARDS": str(SHARDS),
        "DBWATCH_CONFIG": str(config),
    }


@pytest.fixture(scope="module")
def begin_ms() -> int:
    """When what is in the feed began to be written: it took ten minutes, and ended a minute ago."""
    return (time.time_ns() // 1_000_000 - (MINUTES + 1) * 60_000) // 5000 * 5000


@pytest.fixture(scope="module", autouse=True)
def written(client: Redis, keys: Keys, begin_ms: int) -> list[str]:
    """The addresses of what is in the feed, oldest first; the rates of that time are told, too."""
    pipeline = client.pipeline(transaction=False)
    addresses: list[str] = []
    every_ms = MINUTES * 60_000 // COUNT
    for n in range(COUNT):
        op: Any = "cuud"[n % 4]
        title = '=HYPERLINK("http://example.org")' if n == 2 else f"Film {n}"
        row, old = json.dumps({"title": title, "year": 1900 + n % 100}), json.dumps({"title": title, "year": 0})
        record = Record("movies", op, f"k{n % 300}", begin_ms + n * every_ms, f"{n:04}", Versions("p", {}))
        record = record._replace(before={"c": None, "u": old, "d": row}[op], after=None if op == "d" else row)
        record = record._replace(changed=("year",) if op == "u" else None)
        shard = shard_of("movies", record.key, SHARDS)
        entry_id = f"{begin_ms + n * every_ms}-{n % 2}"
        pipeline.xadd(keys.changes[shard], {**record.to_fields()}, id=entry_id)
        addresses.append(f"{shard}/{entry_id}")
    for second in range(MINUTES * 60):
        counts = {"movies": {"c": 1, "u": 3, "d": 1}}
        fields = {"schema": "1", "at_ms": "0", "process": "0", "seconds": "1.0", "counts": json.dumps(counts)}
        latency = {"latency_ms": json.dumps({"count": 5, "p50": 10, "p95": 20 + second % 30, "p99": 60})}
        pipeline.xadd(keys.rates, {**fields, **latency}, id=f"{begin_ms + (second + 1) * 1000}-0")
    pipeline.execute()
    return addresses


@pytest.fixture(scope="module")
def admin(accounts: Accounts) -> str:
    """The session of somebody who may export all there is."""
    accounts.add("niobe", PASSWORD, role="admin")
    signed_in = accounts.sign_in("niobe", PASSWORD, address="127.0.0.1")
    assert isinstance(signed_in, SignedIn)
    return signed_in.token


@pytest.fixture
def viewer(accounts: Accounts) -> Iterator[str]:
    """The session of somebody whose role is viewer."""
    accounts.add("switch", PASSWORD, role="viewer")
    signed_in = accounts.sign_in("switch", PASSWORD, address="127.0.0.1")
    assert isinstance(signed_in, SignedIn)
    yield signed_in.token
    accounts.remove("switch")


def addresses(page: Page) -> list[str]:
    return page.locator(".history tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.address)")


def settled(page: Page) -> None:
    page.wait_for_selector('.history[aria-busy="false"]')


def turn(page: Page, name: str) -> None:
    page.locator(".history").get_by_role("button", name=name).click()
    settled(page)


def exported(page: Page, kind: str, order: str = "oldest") -> Download:
    if page.locator(".export").is_hidden():
        page.get_by_role("button", name="Export …").click()
    page.get_by_label("Format").select_option(kind)
    page.get_by_label("Order").select_option(order)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    return download.value


def text_of(download: Download) -> str:
    return Path(download.path()).read_bytes().decode()


def test_every_record_is_met_once_by_paging_through(page: Page, written: list[str]) -> None:
    page.get_by_role("button", name="History").click()
    settled(page)
    met = addresses(page)
    assert met == written[: -len(met) - 1 : -1]
    while page.locator(".history").get_by_role("button", name="Older").is_enabled():
        turn(page, "Older")
        if "nothing older" not in page.locator(".history .found").inner_text():
            met += addresses(page)
    assert met == written[::-1]
    turn(page, "Newer")
    assert addresses(page) == written[199:99:-1]
    turn(page, "Newest")
    assert addresses(page)[0] == written[-1]
    turn(page, "Oldest")
    assert addresses(page) == written[99::-1]


def test_a_rows_history_a_filter_and_a_time_have_addresses_that_anybody_can_open(
    page: Page, context: BrowserContext, server: Server, token: str, written: list[str], begin_ms: int
) -> None:
    opened(context, server, token, page, query="?history=movies/k7")
    settled(page)
    assert addresses(page) == [written[n] for n in range(COUNT - 1, -1, -1) if n % 300 == 7]
    expect(page.get_by_role("heading", name="History of movies k7")).to_be_visible()
    opened(context, server, token, page, query="?history=all&filter=op%3Ad%20year%3E1990")
    settled(page)
    assert addresses(page) == [written[n] for n in range(COUNT - 1, -1, -1) if n % 4 == 3 and n % 100 > 90][:100]
    opened(context, server, token, page, query=f"?past={begin_ms}-{begin_ms + 4000}")
    settled(page)
    assert addresses(page) == written[19::-1]
    page.get_by_role("region", name="Records", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".record")
    assert f"record={written[18]}".replace("/", "%2F") in page.url
    page.go_back()
    settled(page)
    assert addresses(page) == written[19::-1]
    page.locator(".history tbody tr").first.focus()
    page.keyboard.press("Escape")
    expect(page.locator(".history")).to_be_hidden()
    assert "past" not in page.url


def cancelled(page: Page) -> None:
    """Begin an export and cancel it before the browser has fetched anything."""
    page.get_by_label("Format").select_option("jsonl")
    page.evaluate(
        """() => {  // as if the browser had been slow to begin: the ticket is there, and nobody fetches
            HTMLAnchorElement.prototype.click = function () { window.held = this.href }
        }"""
    )
    page.get_by_role("button", name="Download").click()
    page.wait_for_function("window.held")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()
    with page.expect_download() as download:
        page.evaluate("location.assign(window.held)")
    assert download.value.failure() is not None
    expect(page.locator(".export .says")).to_have_text("The file is not whole: cancelled.")


def test_an_export_holds_what_is_in_redis_or_is_cancelled(
    context: BrowserContext, server: Server, admin: str, client: Redis, keys: Keys, written: list[str]
) -> None:
    tell_alive(client, keys)
    page = opened(context, server, admin, query="?history=all")
    settled(page)
    rows = [json.loads(line) for line in text_of(exported(page, "jsonl")).splitlines()]
    ids = [address.partition("/")[2] for address in written]
    assert [row["id"] for row in rows] == ids
    expect(page.locator(".export .says")).to_have_text("3,000 rows: the file is whole.")
    download = exported(page, "csv")
    assert download.suggested_filename.startswith("dbwatch-feed-")
    table = list(csv.DictReader(io.StringIO(text_of(download), newline="")))
    assert [row["id"] for row in table] == ids
    assert [json.loads(row["after"]) for row in table if row["after"]] == [
        row["after"] for row in rows if "after" in row
    ]
    assert table[2]["row"].startswith("'=HYPERLINK")
    cancelled(page)


def test_a_viewers_export_is_cut_off_at_their_limit_and_says_so(
    context: BrowserContext, server: Server, viewer: str, client: Redis, keys: Keys, written: list[str]
) -> None:
    tell_alive(client, keys)
    page = opened(context, server, viewer, query="?history=all")
    settled(page)
    page.get_by_role("button", name="Export …").click()
    expect(page.locator(".export .hint")).to_contain_text("at most 500 rows")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "history.png")
    assert violations(page) == []
    lines = [json.loads(line) for line in text_of(exported(page, "jsonl", "newest")).splitlines()]
    assert [line["id"] for line in lines[:-1]] == [address.partition("/")[2] for address in written[:-501:-1]]
    assert "500 rows" in lines[-1]["cut_off"]
    expect(page.locator(".export .says")).to_contain_text("not all: cut off after 500 rows")


def test_a_stretch_of_the_timeline_opens_exactly_its_records(page: Page, written: list[str], begin_ms: int) -> None:
    chart = page.get_by_role("slider", name="Chosen time")
    page.wait_for_function("document.querySelector('.timeline path.u')?.getAttribute('d')?.length > 100")
    chart.focus()
    page.keyboard.press("End")
    for _ in range(8):  # nearly seven minutes back: amid what was written, also where the tests before took long
        page.keyboard.press("PageDown")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".timeline .says")).to_contain_text("30 updated")
    page.screenshot(path=SCREENSHOTS / "timeline.png")
    page.keyboard.press("Enter")
    settled(page)
    from_ms, to_ms = (int(ms) for ms in page.url.partition("past=")[2].split("-"))
    assert to_ms - from_ms == 10_000
    inside = [a for a in written if from_ms <= int(a.partition("/")[2].partition("-")[0]) < to_ms]
    assert len(inside) == 50
    assert addresses(page) == inside[::-1]
    page.keyboard.press("Escape")
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    expect(page.locator(".timeline .says")).to_contain_text("15 updated")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=3)
    page.mouse.up()
    settled(page)
    from_ms, to_ms = (int(ms) for ms in page.url.partition("past=")[2].split("-"))
    assert to_ms - from_ms in (90_000, 95_000)
