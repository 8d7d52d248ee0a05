"""What many viewers cost the dashboard's server: processor and memory, at a rate of records.

    python -m benchmarks.viewers --viewers 50 --rate 1000 --seconds 10

Viewers are sockets that say what the page's scripts say; some may look through filters of their own. Records are
comments with their film and user, as the sample database has them, written straight to Redis.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import click
import psutil

from connectors.accounts import Accounts, SignedIn
from connectors.records import LookupVersion, Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys
from dbwatch.valkey import Valkey
from tests.dashboard.serving import Server, serving
from tests.dashboard.watching import Watcher

_NAME, _PASSWORD = "bench", "a password for the bench"
_KEYS = Keys("bench")
_BATCH_S = 0.02
_ALIVE_S = 1.0
_LOOKUPS = {"movie": LookupVersion(2, "6b0", "p"), "user": LookupVersion(1, '"neo@example.org"', "p")}


class Cost(NamedTuple):
    """Of one server process. `cpu` is its share of one core; memory is in MB; the rest is of all viewers together."""

    viewers: int
    cpu: float
    rss_mb: float
    messages_per_s: float
    megabytes_per_s: float
    written_per_s: float


def record(n: int) -> dict[str, str]:
    movie = {
        "genres": ["Drama", "Romance"],
        "imdb": {"rating": 8.3},
        "title": "The Janitor of Building Two",
        "year": 1997,
    }
    row = {"text": f"Library cards, page {n}. " * 4, "movie": movie, "user": {"name": "Night Shift"}, "likes": n}
    before, after = json.dumps({**row, "likes": n - 1}), json.dumps(row)
    now_ms = time.time_ns() // 1_000_000
    made = Record("comments", "u", f"k{n % 5000}", now_ms, f"{n:016x}", Versions(f"{n:016x}", _LOOKUPS), after=after)
    return made._replace(before=before, changed=("likes",)).to_fields()


@contextmanager
def written(uri: str, rate: int) -> Generator[list[int]]:
    """Records at a rate, from a thread of this process; how many, in a list of one."""
    done, count = threading.Event(), [0]

    def write() -> None:
        with connect(uri) as client:
            begin = time.monotonic()
            while not done.wait(_BATCH_S):
                pipeline = client.pipeline(transaction=False)
                for n in range(count[0], round((time.monotonic() - begin) * rate)):
                    pipeline.xadd(_KEYS.changes[0], {**record(n)}, maxlen=100_000)
                    count[0] += 1
                pipeline.execute()

    thread = threading.Thread(target=write, name="writer")
    thread.start()
    try:
        yield count
    finally:
        done.set()
        thread.join()


@contextmanager
def dashboard(folder: Path) -> Generator[tuple[str, Server, str]]:
    """A dashboard of its own, as if a flow ran: where its Redis is, its server, and the token of somebody's session."""
    with ExitStack() as stack:
        valkey = Valkey(folder)
        valkey.start()
        stack.callback(valkey.stop)
        client = stack.enter_context(connect(valkey.uri))
        accounts = Accounts(client, _KEYS)
        accounts.add(_NAME, _PASSWORD, role="admin")
        stack.enter_context(alive(valkey.uri))
        signed_in = cast("SignedIn", accounts.sign_in(_NAME, _PASSWORD, address="127.0.0.1"))
        env = {"REDIS_URL": valkey.uri, "DBWATCH_PREFIX": _KEYS.prefix}
        yield valkey.uri, stack.enter_context(serving(env, folder)), signed_in.token


@contextmanager
def alive(uri: str) -> Generator[None]:
    """What a job says of itself each second."""
    done, started_ms = threading.Event(), time.time_ns() // 1_000_000

    def tell() -> None:
        with connect(uri) as client:
            while True:
                now_ms = time.time_ns() // 1_000_000
                said = {"at_ms": now_ms, "started_ms": started_ms, "state": "tail", "lag_ms": 0, "snapshot": None}
                client.hset(_KEYS.health, "0", json.dumps(said))
                if done.wait(_ALIVE_S):
                    return

    thread = threading.Thread(target=tell, name="alive")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def watched(server: Server, token: str, viewers: int, filters: int, seconds: float, count: list[int]) -> Cost:
    """Open the pages, wait until all are filled, then measure."""
    watchers = [await Watcher.opened(server, token) for _ in range(viewers)]
    for n, watcher in enumerate(watchers):
        await watcher.say({"watch": f"likes > {n}" if n < filters else ""})
        await watcher.heard("fill")
    messages = [0]

    async def listen(watcher: Watcher) -> None:
        while (found := await watcher.hear()) is not None:
            messages[0] += len(found)

    tasks = [asyncio.create_task(listen(watcher)) for watcher in watchers]
    process = psutil.Process(server.pid)
    await asyncio.sleep(1)
    begin, cpu, bytes_before, said, rows = time.monotonic(), _cpu_s(process), _received(watchers), messages[0], count[0]
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - begin
    cost = Cost(
        viewers,
        (_cpu_s(process) - cpu) / took_s,
        process.memory_info().rss / 1e6,
        (messages[0] - said) / took_s,
        (_received(watchers) - bytes_before) / took_s / 1e6,
        (count[0] - rows) / took_s,
    )
    for task in tasks:
        task.cancel()
    for watcher in watchers:
        watcher.close()
    return cost


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _received(watchers: list[Watcher]) -> int:
    return sum(watcher.received_bytes for watcher in watchers)


@click.command()
@click.option("--viewers", default="1,50", show_default=True, help="How many at once; several counts, by commas.")
@click.option("--rate", default=1000, show_default=True, help="Records written a second.")
@click.option("--filters", default=0, show_default=True, help="So many of the viewers have a filter of their own.")
@click.option("--seconds", default=10.0, show_default=True, help="How long each count is measured.")
def main(viewers: str, rate: int, filters: int, seconds: float) -> None:
    """Measure what viewers cost a dashboard server of its own, and print it."""
    with tempfile.TemporaryDirectory() as name, dashboard(Path(name)) as (uri, server, token):
        for count in map(int, viewers.split(",")):
            with written(uri, rate) as rows:
                cost = asyncio.run(watched(server, token, count, min(filters, count), seconds, rows))
            click.echo(
                f"{cost.viewers:>4} viewers  {cost.cpu:5.0%} of a core  {cost.rss_mb:5.0f} MB  "
                f"{cost.messages_per_s:6.0f} messages/s  {cost.megabytes_per_s:5.1f} MB/s  "
                f"{cost.written_per_s:6.0f} records/s written"
            )


if __name__ == "__main__":
    main()
