"""Downloads from the real server: who may have them, once, and what becomes of one that is broken off."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, cast

import pytest
from redis import Redis

from connectors.accounts import Accounts, SignedIn
from connectors.passwords import token_hash
from connectors.records import Record, Versions
from connectors.redis_client import connect_async
from connectors.settings import Keys
from connectors.tickets import Tickets
from dashboard.access.sign_in import COOKIE
from tests.conftest import StartRedis, wait_until
from tests.dashboard.browsing import NAME, PASSWORD
from tests.dashboard.serving import Answer, Server, serving

T = TypeVar("T")


def write(client: Redis, keys: Keys, count: int) -> None:
    pipeline = client.pipeline(transaction=False)
    for n in range(count):
        row = json.dumps({"title": f"Film {n}", "text": "x" * 1000})
        record = Record("movies", "c", f"k{n}", n, "p", Versions("p", {}), after=row)
        pipeline.xadd(keys.changes[0], {**record.to_fields()})
    pipeline.execute()


@pytest.fixture(scope="module", autouse=True)
def films(client: Redis, keys: Keys) -> list[str]:
    """What is in the feed."""
    write(client, keys, 3000)
    return [f"k{n}" for n in range(3000)]


@pytest.fixture
def session(accounts: Accounts) -> str:
    """The token of somebody who is signed in."""
    signed_in = accounts.sign_in(NAME, PASSWORD, address="127.0.0.1")
    assert isinstance(signed_in, SignedIn)
    return signed_in.token


def with_tickets(env: dict[str, str], work: Callable[[Tickets], Awaitable[T]]) -> T:
    async def main() -> T:
        client = connect_async(env["REDIS_URL"])
        try:
            return await work(Tickets(client, Keys(env["DBWATCH_PREFIX"])))
        finally:
            await client.aclose()

    return asyncio.run(main())


def ticket_for(env: dict[str, str], session: str, kind: str = "jsonl") -> str:
    order = json.dumps({"format": kind, "newestFirst": False})
    return with_tickets(env, lambda tickets: tickets.issue(token_hash(session), order))


def fetched(server: Server, ticket: str, session: str | None) -> Answer:
    return server.ask(f"/export?ticket={ticket}", cookies={COOKIE: session} if session else None)


def request_of(ticket: str, session: str) -> bytes:
    lines = (f"GET /export?ticket={ticket} HTTP/1.1", "Host: 127.0.0.1", f"Cookie: {COOKIE}={session}", "", "")
    return "\r\n".join(lines).encode()


def test_a_file_is_fetched_whole_as_a_download(
    server: Server, env: dict[str, str], session: str, films: list[str]
) -> None:
    answer = fetched(server, ticket_for(env, session), session)
    assert answer.status == 200
    assert [json.loads(line)["key"] for line in answer.text.splitlines()] == films
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].startswith('attachment; filename="dbwatch-feed-')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    table = fetched(server, ticket_for(env, session, "csv"), session)
    assert table.headers["content-type"].startswith("text/csv")
    assert [row["key"] for row in csv.DictReader(io.StringIO(table.text, newline=""))] == films


def test_each_export_is_in_the_audit(
    server: Server, env: dict[str, str], session: str, client: Redis, keys: Keys
) -> None:
    assert fetched(server, ticket_for(env, session), session).status == 200
    wait_until(lambda: "3,000 rows, done" in newest_deeds(client, keys)[0]["what"], what="the end is noted")
    ended, begun = newest_deeds(client, keys)[:2]
    assert ended["what"] == "jsonl of the feed: 3,000 rows, done"
    assert begun["what"] == "jsonl of the feed: begun"
    assert {ended["who"], begun["who"]} == {NAME}
    assert {ended["action"], begun["action"]} == {"export"}


def newest_deeds(client: Redis, keys: Keys) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", [entry[1] for entry in client.xrevrange(keys.audit, count=2) or [] if entry])


def test_without_a_session_or_with_another_ones_ticket_nothing_is_given(
    server: Server, env: dict[str, str], session: str, accounts: Accounts
) -> None:
    ticket = ticket_for(env, session)
    accounts.add("smith", PASSWORD)
    other = accounts.sign_in("smith", PASSWORD, address="127.0.0.1")
    assert isinstance(other, SignedIn)
    answers = [
        fetched(server, ticket, None),
        fetched(server, ticket, "forged"),
        fetched(server, ticket, other.token),
        fetched(server, "forged", session),
        server.ask("/export", cookies={COOKIE: session}),
        server.ask(f"/export?ticket={ticket}", method="POST", form={}, cookies={COOKIE: session}),
    ]
    assert [answer.status for answer in answers] == [403, 403, 404, 404, 404, 405]
    assert all("Film" not in answer.text for answer in answers)
    assert fetched(server, ticket, session).status == 200
    assert fetched(server, ticket, session).status == 404


def test_a_download_that_the_browser_ends_is_ended_on_the_server_too(
    server: Server, env: dict[str, str], session: str
) -> None:
    ticket = ticket_for(env, session)
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(request_of(ticket, session))
        assert raw.recv(100).startswith(b"HTTP/1.1 200")

    def state() -> str:
        said = with_tickets(env, lambda tickets: tickets.progress(ticket, token_hash(session)))
        return "" if said is None else str(json.loads(said)["state"])

    wait_until(lambda: state() == "cancelled", what="the server notices")
    assert fetched(server, ticket_for(env, session), session).status == 200


@pytest.mark.parametrize("change", ["removed", "another role"])
def test_a_download_ends_when_its_user_is_no_longer_who_they_were(
    server: Server, env: dict[str, str], accounts: Accounts, change: str
) -> None:
    name = f"mouse{len(change)}"
    accounts.add(name, PASSWORD, role="admin")
    accounts.add(f"{name}2", PASSWORD, role="admin")
    signed_in = accounts.sign_in(name, PASSWORD, address="127.0.0.1")
    assert isinstance(signed_in, SignedIn)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        raw.settimeout(20)
        path = f"/export?ticket={ticket_for(env, signed_in.token)}"
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {COOKIE}={signed_in.token}\r\n\r\n".encode())
        got = [raw.recv(100)]
        assert got[0].startswith(b"HTTP/1.1 200")
        if change == "removed":
            accounts.remove(name)
        else:
            accounts.set_role(name, "viewer")
        time.sleep(0.3)  # the server looks that seldom while it is held up
        while got[-1]:
            got.append(raw.recv(1 << 16))
    body = b"".join(got)
    assert not body.endswith(b"0\r\n\r\n"), "the file looks whole"
    assert body.count(b'"Film ') < 3000


def test_when_redis_goes_away_the_browser_is_not_given_a_part_as_the_whole(
    start_redis: StartRedis, tmp_path: Path
) -> None:
    redis = start_redis()
    keys = Keys("p")
    env = {"REDIS_URL": redis.uri, "DBWATCH_PREFIX": "p"}
    with Redis.from_url(redis.uri, decode_responses=True) as client:
        accounts = Accounts(client, keys)
        accounts.add(NAME, PASSWORD)
        signed_in = accounts.sign_in(NAME, PASSWORD, address="127.0.0.1")
        assert isinstance(signed_in, SignedIn)
        write(client, keys, 9000)
    with serving(env, tmp_path) as server:
        ticket = ticket_for(env, signed_in.token)
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(request_of(ticket, signed_in.token))
            assert raw.recv(12) == b"HTTP/1.1 200"
            redis.stop()
            raw.settimeout(30)
            got = b"".join(iter(lambda: raw.recv(1 << 16), b""))
    assert got.count(b"\n") > 10  # some of it had come
    assert not got.endswith(b"0\r\n\r\n")  # the last chunk, which says that this was all
