"""A tab that stays open does not grow, and neither does its server."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import NamedTuple, cast

import psutil
import pytest
from playwright.sync_api import CDPSession, Page, expect
from redis import Redis

from connectors.records import Record, Versions
from connectors.settings import Keys
from tests.dashboard.browsing import add
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser

ROWS_PER_S = 500
WARM_UP_S = 3.0
SHORT_S = 4.0
LONG_S = 60.0 * float(os.environ.get("MINUTES", "30"))


class Size(NamedTuple):
    """Of the tab: bytes of its heap after a collection, elements and listeners; of the server: bytes of its memory."""

    heap: int
    nodes: int
    listeners: int
    server: int


def size_of(devtools: CDPSession, server: Server) -> Size:
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("HeapProfiler.collectGarbage")
    heap: float = cast("dict[str, float]", devtools.send("Runtime.getHeapUsage"))["usedSize"]
    counters = cast("dict[str, int]", devtools.send("Memory.getDOMCounters"))
    memory = psutil.Process(server.pid).memory_info().rss
    return Size(round(heap), counters["nodes"], counters["jsEventListeners"], memory)


def write_for(client: Redis, keys: Keys, seconds: float, alive: Callable[..., None]) -> None:
    """Rows of every kind at a rate, each with a text of its own."""
    begin, count = time.monotonic(), 0
    while (passed_s := time.monotonic() - begin) < seconds:
        pipeline = client.pipeline(transaction=False)
        while count < passed_s * ROWS_PER_S:
            count += 1
            row, old = json.dumps({"title": f"Film {count}"}), json.dumps({"title": f"Fylm {count}"})
            record = Record("movies", "u", f"k{count}", 0, f"{count:016x}", Versions("p", {}), after=row, before=old)
            if count % 3 == 0:
                record = record._replace(op="c", before=None)
            elif count % 7 == 0:
                record = record._replace(op="d", after=None)
            else:
                record = record._replace(changed=("title",))
            pipeline.xadd(keys.changes[0], {**record.to_fields()}, maxlen=5000)
        pipeline.execute()
        alive(count=ROWS_PER_S)
        time.sleep(0.1)  # the pace of the workload


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(SHORT_S, id="seconds"),
        pytest.param(LONG_S, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(LONG_S + 300)]),
    ],
)
def test_a_tab_left_open_does_not_grow(
    page: Page, server: Server, client: Redis, keys: Keys, alive: Callable[..., None], seconds: float
) -> None:
    devtools = page.context.new_cdp_session(page)
    write_for(client, keys, WARM_UP_S, alive)
    begin = size_of(devtools, server)
    write_for(client, keys, seconds, alive)
    add(client, keys, "c", "The last one")
    expect(page.locator(".created tbody tr").first).to_contain_text("The last one")
    end = size_of(devtools, server)
    print(f"{seconds:.0f} s: {begin} -> {end}")
    assert end.nodes < begin.nodes * 1.3 + 500
    assert end.listeners < begin.listeners * 1.3 + 100
    assert end.heap < begin.heap + 600_000
    assert end.server < begin.server + 30_000_000
