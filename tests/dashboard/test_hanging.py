"""A Redis that takes connections and answers nothing: worse than one that is gone, for nothing fails by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from connectors.accounts import Accounts, SignedIn
from connectors.redis_client import connect
from connectors.settings import Keys
from dbwatch.valkey import Valkey
from tests.conftest import StartRedis
from tests.dashboard.browsing import NAME, PASSWORD, tell_alive
from tests.dashboard.serving import serving
from tests.dashboard.watching import Watcher

SILENT_S = 3.5
"""After which a page takes its server for gone (dashboard/web/watchdog.js)."""


@contextmanager
def hanging(redis: Valkey) -> Generator[None]:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis.pid, signal.SIGCONT)


def test_while_redis_hangs_the_page_is_told_and_requests_are_refused_soon(
    start_redis: StartRedis, tmp_path: Path
) -> None:
    redis, keys = start_redis(), Keys("p")
    with connect(redis.uri) as client, serving({"REDIS_URL": redis.uri, "DBWATCH_PREFIX": "p"}, tmp_path) as server:
        accounts = Accounts(client, keys)
        accounts.add(NAME, PASSWORD)
        signed_in = accounts.sign_in(NAME, PASSWORD, address="127.0.0.1")
        assert isinstance(signed_in, SignedIn)
        tell_alive(client, keys)

        def refused(_: int) -> float:
            began = time.monotonic()
            assert server.ask("/healthz").status == 503
            return time.monotonic() - began

        async def heard(watcher: Watcher) -> str:
            return (await asyncio.wait_for(watcher.heard("beat"), SILENT_S))["status"]["label"]

        async def watch() -> tuple[list[str], list[float]]:
            watcher = await Watcher.opened(server, signed_in.token)
            await watcher.say({"watch": ""})
            said = [await heard(watcher)]
            with hanging(redis), ThreadPoolExecutor(8) as pool:
                asked = [asyncio.wrap_future(pool.submit(refused, n)) for n in range(8)]
                said += [await heard(watcher), await heard(watcher)]
                waited_s = [await one for one in asked]
            while said[-1] != "Live":
                said += [await heard(watcher)]
            watcher.close()
            return said, waited_s

        said, waited_s = asyncio.run(asyncio.wait_for(watch(), 60))
    assert said[:3] == ["Live", "Cannot read Redis", "Cannot read Redis"]
    assert said[-1] == "Live"
    assert max(waited_s) < 5.0, "of requests that wait for four threads the later ones wait no longer"
