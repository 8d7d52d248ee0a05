"""Who is here, while they are: a role, an account or a password that changes holds on pages that are open."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any, cast

import pytest
from redis import Redis

from connectors.accounts import Accounts, SignedIn
from connectors.audit import Audit
from connectors.records import Record, Versions
from connectors.settings import Keys
from dashboard.access.sign_in import COOKIE
from dashboard.answers import ANSWERS
from tests.dashboard.conftest import PASSWORD
from tests.dashboard.paths import HANDSHAKE
from tests.dashboard.serving import Server, serving
from tests.dashboard.watching import Watcher

FILE = '[views.movies]\n[roles.viewer]\nhide = ["movies.plot", "movies.cast.name"]\n'
PLOT = "the butler did it"
WITHIN_S = 4.0
"""Within a second, and the time that a busy machine takes."""


@pytest.fixture(scope="module")
def server(env: dict[str, str], accounts: Accounts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "dbwatch.toml").write_text(FILE, encoding="utf-8")
    accounts.add("oracle", PASSWORD, role="admin")
    with serving({**env, "DBWATCH_CONFIG": str(folder / "dbwatch.toml")}, folder) as server:
        yield server


def signed_in(accounts: Accounts, name: str) -> str:
    result = accounts.sign_in(name, PASSWORD, address="127.0.0.1")
    assert isinstance(result, SignedIn)
    return result.token


def add_update(client: Redis, keys: Keys, title: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    before, after = ({"title": title, "plot": plot, "cast": [{"name": plot}]} for plot in ("unknown", PLOT))
    record = Record("movies", "u", "573a1390f29313caabcd42e8", now_ms, "p", Versions("p", {}))
    record = record._replace(before=json.dumps(before), after=json.dumps(after), changed=("plot", "cast"))
    client.xadd(keys.changes[0], {**record.to_fields()})


def run(watch: Any) -> None:
    asyncio.run(asyncio.wait_for(watch, 30))


def test_a_changed_role_holds_on_an_open_page_within_a_second(
    server: Server, accounts: Accounts, client: Redis, keys: Keys, alive: Callable[..., None]
) -> None:
    alive()
    accounts.add("neo", PASSWORD)
    token = signed_in(accounts, "neo")
    add_update(client, keys, "Before")

    async def watch() -> None:
        page = await Watcher.opened(server, token)
        await page.say({"watch": ""})
        assert (await page.heard("visitor"))["role"] == "viewer"
        fill = await page.heard("fill")
        assert "Before" in str(fill)
        assert PLOT not in str(fill)
        await page.say({"ask": 1, "what": "audit", "args": {}})
        assert "your role, viewer, may not read the audit" in (await page.heard("failed"))["message"]

        accounts.set_role("neo", "admin")
        began = time.monotonic()
        assert (await page.heard("visitor"))["role"] == "admin"
        assert time.monotonic() - began < WITHIN_S
        assert PLOT in str(await page.heard("fill"))
        await page.say({"ask": 2, "what": "audit", "args": {}})
        assert (await page.heard("answer"))["to"] == 2

        accounts.set_role("neo", "viewer")
        began = time.monotonic()
        assert (await page.heard("visitor"))["role"] == "viewer"
        assert time.monotonic() - began < WITHIN_S
        assert PLOT not in str(await page.heard("fill"))
        add_update(client, keys, "After")
        news = await page.heard("news")
        assert "After" in str(news)
        assert PLOT not in str(news)
        await page.say({"ask": 3, "what": "audit", "args": {}})
        assert (await page.heard("failed"))["to"] == 3
        page.close()

    run(watch())


@pytest.mark.parametrize("end", ["removed", "a new password"])
def test_an_account_that_ends_closes_its_pages_within_a_second(server: Server, accounts: Accounts, end: str) -> None:
    name = f"smith{len(end)}"
    accounts.add(name, PASSWORD)
    token = signed_in(accounts, name)

    async def watch() -> None:
        pages = [await Watcher.opened(server, token) for _ in range(2)]
        for page in pages:
            await page.say({"watch": ""})
            await page.heard("fill")
        if end == "removed":
            accounts.remove(name)
        else:
            accounts.set_password(name, "another " + PASSWORD)
        began = time.monotonic()
        for page in pages:
            while await page.hear() is not None:
                pass
            page.close()
        assert time.monotonic() - began < WITHIN_S

    run(watch())


def test_nobody_connects_to_the_page_of_somebody_else(server: Server, accounts: Accounts) -> None:
    accounts.add("cypher", PASSWORD)
    admins, other = ({COOKIE: signed_in(accounts, name)} for name in ("oracle", "cypher"))
    token = re.search(r'"token":"([^"]+)"', unescape(server.ask("/app", cookies=admins).text))
    assert token is not None
    handshake = {**HANDSHAKE, "Origin": server.url, "Sec-WebSocket-Protocol": f"bokeh, {token[1]}"}
    assert server.ask("/app/ws", headers=handshake, cookies=other).status == 403
    assert server.ask("/app/ws", headers=handshake, cookies=admins).status == 101


@pytest.mark.parametrize(
    "message",
    [
        {"ask": 1, "what": "audit", "args": {}, "role": "admin"},
        {"ask": 1, "what": "audit", "args": {"role": "admin", "visitor": {"name": "oracle", "role": "admin"}}},
        {"ask": 1, "what": "audit", "args": {}, "visitor": "oracle", "action": "see"},
    ],
)
def test_a_viewer_who_claims_to_be_more_is_refused(server: Server, accounts: Accounts, message: dict[str, Any]) -> None:
    token = signed_in(accounts, "trinity")

    async def watch() -> None:
        page = await Watcher.opened(server, token)
        await page.say(message)
        assert "your role, viewer, may not read the audit" in (await page.heard("failed"))["message"]
        page.close()

    run(watch())


def test_a_filter_does_not_tell_what_is_hidden(
    server: Server, accounts: Accounts, client: Redis, keys: Keys, alive: Callable[..., None]
) -> None:
    alive()
    add_update(client, keys, "Whodunit")
    texts = ("title = Whodunit", "plot ~ butler", "butler", "changed:plot", "cast.name ~ butler")

    async def found_by(name: str) -> list[bool]:
        page = await Watcher.opened(server, signed_in(accounts, name))
        found: list[bool] = []
        for text in texts:
            await page.say({"watch": text})
            fill = await page.heard("fill")
            assert fill["filter"] == text
            found.append(bool(fill["rows"]))
        page.close()
        return found

    assert asyncio.run(found_by("trinity")) == [True, False, False, False, False]
    assert asyncio.run(found_by("oracle")) == [True] * 5


def test_no_answer_tells_a_viewer_what_is_hidden(
    server: Server, accounts: Accounts, client: Redis, keys: Keys, alive: Callable[..., None]
) -> None:
    alive()
    add_update(client, keys, "Everywhere")
    newest = cast("Any", client.xrevrange(keys.changes[0], count=1))[0][0]
    now_ms = time.time_ns() // 1_000_000
    record = {"stream": 0, "id": newest}
    span = {"fromMs": now_ms - 600_000, "toMs": now_ms + 60_000}
    args: dict[str, dict[str, Any]] = {
        "record": record,
        "record.part": {**record, "field": "after", "start": 0},
        "history": {"view": "movies", "key": "573a1390f29313caabcd42e8", "filter": ""},
        "export.issue": {"format": "jsonl", "filter": "", **span},
    }

    async def answers_to(name: str) -> dict[str, str]:
        page = await Watcher.opened(server, signed_in(accounts, name))
        found: dict[str, str] = {}
        for number, what in enumerate(sorted(ANSWERS.keys() - {"export.watch"})):
            await page.say({"ask": number, "what": what, "args": args.get(what, {})})
            told: list[dict[str, Any]] = []
            while not any(message.get("to") == number and message["type"] != "progress" for message in told):
                told += await page.hear() or []
            found[what] = str(told)
        page.close()
        return found

    viewers, admins = asyncio.run(answers_to("trinity")), asyncio.run(answers_to("oracle"))
    assert [what for what, told in viewers.items() if PLOT in told] == []
    assert {what for what, told in admins.items() if PLOT in told} >= {"record", "record.part", "history"}
    assert "Everywhere" in viewers["record"]
    assert "Everywhere" in viewers["history"]


def test_an_export_is_without_what_is_hidden_and_in_the_audit(
    server: Server, accounts: Accounts, client: Redis, keys: Keys
) -> None:
    add_update(client, keys, "Taken away")
    now_ms = time.time_ns() // 1_000_000
    order = {"format": "jsonl", "filter": "", "fromMs": now_ms - 600_000, "toMs": now_ms + 60_000}

    async def ticket(token: str) -> str:
        page = await Watcher.opened(server, token)
        await page.say({"ask": 1, "what": "export.issue", "args": order})
        told = await page.heard("answer")
        page.close()
        return str(told["value"]["ticket"])

    files: dict[str, str] = {}
    for name in ("trinity", "oracle"):
        token = signed_in(accounts, name)
        path = f"/export?ticket={asyncio.run(ticket(token))}"
        assert server.ask(path, cookies={}).status == 403
        files[name] = server.ask(path, cookies={COOKIE: token}).text
    assert all("Taken away" in text for text in files.values())
    assert PLOT not in files["trinity"]
    assert PLOT in files["oracle"]
    noted = [entry for _, entry in Audit(client, keys).page(20).entries if entry.action == "export"]
    assert {(entry.who, entry.role, entry.address) for entry in noted} == {
        ("trinity", "viewer", "127.0.0.1"),
        ("oracle", "admin", "127.0.0.1"),
    }
