"""The page in a real browser: opened by somebody, with what a running flow would have written."""

from __future__ import annotations

import json
import time
from typing import Any

from playwright.sync_api import BrowserContext, Page
from redis import Redis

from connectors.records import Record, Versions
from connectors.settings import Keys
from dashboard.access.sign_in import COOKIE
from tests.dashboard.serving import Server

NAME = "trinity"
PASSWORD = "follow the white rabbit"
LIVE = '.status[data-level="live"]'
TIMEOUT_MS = 15_000.0


def sign_in(page: Page, server: Server, name: str = NAME, password: str = PASSWORD) -> Page:
    page.goto(f"{server.url}/app")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    return page


def opened(context: BrowserContext, server: Server, token: str, page: Page | None = None, *, query: str = "") -> Page:
    """The dashboard, signed in and live; in this page, or in a new one."""
    context.add_cookies([{"name": COOKIE, "value": token, "url": server.url}])
    page = page or context.new_page()
    page.goto(f"{server.url}/app{query}")
    page.wait_for_selector(LIVE)
    return page


def tell_alive(client: Redis, keys: Keys, *, count: int = 0, ahead_ms: int = 60_000, **figures: Any) -> None:
    """What the flow says: that it lives (for a while to come, so that no thread must keep saying it), and its rates."""
    now_ms = time.time_ns() // 1_000_000
    said = {"at_ms": now_ms + ahead_ms, "started_ms": now_ms - 60_000, "state": "tail", "lag_ms": 0, "snapshot": None}
    client.hset(keys.health, "0", json.dumps(said | figures))
    rates = {"schema": "1", "at_ms": str(now_ms), "process": "0", "seconds": "1.0"}
    rates["counts"] = json.dumps({"movies": {"c": count}} if count else {})
    rates["latency_ms"] = json.dumps({"count": count, "p50": 11, "p95": 22, "p99": 33})
    client.xadd(keys.rates, {**rates})


def add(client: Redis, keys: Keys, op: Any, title: str, **changes: Any) -> None:
    row = json.dumps({"title": title, "year": 1999})
    now_ms = time.time_ns() // 1_000_000
    record = Record("movies", op, "573a1390f29313caabcd42e8", now_ms, "p", Versions("p", {}))
    record = record._replace(before=row) if op == "d" else record._replace(after=row)
    client.xadd(keys.changes[0], {**record._replace(**changes).to_fields()})
