"""An outside program that asks for every address that the server knows, without a session."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from redis import Redis

from connectors.accounts import Accounts
from connectors.settings import Keys
from dashboard.access.sign_in import COOKIE
from dashboard.assets import assets
from tests.dashboard import listing_panel
from tests.dashboard.paths import HANDSHAKE, SECRET, put_secret
from tests.dashboard.serving import Server, serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WORDS = ("", "x", "app.py", "main.js", "js/bokeh.min.js", "../dashboard/app.py", "dashboard.feed/Feed/_esm/feed.js")
OPEN = {
    "/login": "asks for name and password",
    "/healthz": "tells a monitor whether this works",
    "/favicon.ico": "Bokeh's icon",
    "/static/js/bokeh.min.js": "Bokeh's library, as it is published",
    "/app/static/js/bokeh.min.js": "the same",
}
"""Answered with 200 without a session; nothing else is."""


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("listing") / "patterns"


@pytest.fixture(scope="module")
def server(
    env: dict[str, str],
    accounts: Accounts,
    client: Redis,
    keys: Keys,
    listing: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    assert accounts.all()
    put_secret(client, keys)
    program = [listing_panel.__file__]
    with serving(
        {**env, "LISTING": str(listing)}, tmp_path_factory.mktemp("dashboard"), cwd=Path.cwd(), program=program
    ) as server:
        yield server


@pytest.fixture
def paths(server: Server, listing: Path) -> list[str]:
    """Addresses of every pattern, with each of the words where it has a hole."""
    patterns = [line.split("\t")[0] for line in listing.read_text(encoding="utf-8").splitlines()]
    assert {"/app/ws$", "/app/metadata$", "/login$", "/healthz$"} <= {*patterns}
    assert len(patterns) >= 14
    return sorted({path for pattern in patterns for path in examples(pattern)})


def examples(pattern: str) -> Iterator[str]:
    for word in WORDS:
        path = pattern.removesuffix("$").replace("[0-9a-f]{16}", assets().build)
        path = re.sub(r"\(\?:[^)]*\)", "js", path).replace("[a-z_]+", "main")
        path = path.replace("(.*)", word).replace("/?", "/").replace("\\.", ".")
        path = path.replace("(", "").replace(")", "")
        assert not re.search(r"[\\()\[\]*+?^$]", path), f"no example of {pattern} could be made: {path}"
        yield path


@pytest.mark.parametrize(
    ("cookies", "methods"),
    [({}, METHODS), ({COOKIE: "forged", "user": "admin", "is_guest": "1"}, ("GET", "POST"))],
    ids=["without a cookie", "forged"],
)
def test_no_address_of_the_server_gives_data_without_a_session(
    server: Server, paths: list[str], cookies: Mapping[str, str], methods: Sequence[str]
) -> None:
    answered: set[str] = set()
    for path in paths:
        for method in methods:
            answer = server.ask(path, method=method, form={} if method == "POST" else None, cookies=cookies)
            assert SECRET not in answer.text, (method, path)
            assert "dbwatch" not in answer.text or path == "/login", (method, path)
            if answer.status < 300:
                answered.add(path)
    assert answered == set(OPEN)


def test_no_address_of_the_server_opens_a_websocket_without_a_session(server: Server, paths: list[str]) -> None:
    origin = {**HANDSHAKE, "Origin": server.url}
    assert 101 not in {server.ask(path, headers=origin).status for path in paths}


def test_the_files_of_the_page_are_there_for_who_is_signed_in(server: Server, paths: list[str]) -> None:
    answer = server.sign_in("trinity", "follow the white rabbit")
    cookies = {COOKIE: answer.cookies[COOKIE]}
    (script,) = [path for path in paths if path.startswith("/assets/")]
    assert server.ask(script, cookies=cookies).status == 200, script
