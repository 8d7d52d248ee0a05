"""Sign-in by a provider, with Panel's own options, on the real server and a real provider."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, expect
from redis import Redis
from tornado.web import create_signed_value

from connectors.accounts import Accounts
from connectors.audit import Audit
from connectors.settings import Keys
from dashboard.access.sign_in import COOKIE
from tests.dashboard.browsing import LIVE
from tests.dashboard.oauth_server import Provider, providing
from tests.dashboard.paths import HANDSHAKE, SECRET, put_secret
from tests.dashboard.serving import Answer, Server, serving

COOKIE_SECRET = "a secret of this server"
SCREENSHOTS = Path("test-results/dashboard")
ANN = "ann@example.org"
HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as provider:
        yield provider


@pytest.fixture(scope="module")
def env(env: dict[str, str], provider: Provider) -> dict[str, str]:
    return {**env, **provider.settings(), "PANEL_COOKIE_SECRET": COOKIE_SECRET}


@pytest.fixture(scope="module")
def server(env: dict[str, str], accounts: Accounts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    accounts.add_by_provider(ANN, role="admin")
    with serving(env, tmp_path_factory.mktemp("dashboard")) as server:
        yield server


@pytest.fixture(autouse=True)
def data(client: Redis, keys: Keys) -> None:
    put_secret(client, keys)


def visit(server: Server, path: str = "/app") -> tuple[Answer, dict[str, str]]:
    """Follow redirects as a browser would, from ours to the provider's and back; what came at last, and our cookies."""
    cookies: dict[str, str] = {}
    for _ in range(8):
        answer = server.ask(path, cookies=cookies)
        cookies |= answer.cookies
        cookies = {name: value for name, value in cookies.items() if value}
        if answer.status not in (301, 302):
            return answer, cookies
        to = answer.headers["location"]
        while not to.startswith(("/", ".", server.url)):
            to = _location(to)
        path = "/" + to.removeprefix(server.url).lstrip("./")
    pytest.fail("redirected without end")


def _location(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}")
    response = connection.getresponse()
    location = response.getheader("Location")
    response.close()
    connection.close()
    assert location is not None
    return location


def test_who_has_an_account_gets_page_scripts_and_websocket_by_the_provider(
    server: Server, provider: Provider, client: Redis, keys: Keys
) -> None:
    provider.name = ANN.upper()
    page, cookies = visit(server)
    assert page.status == 200
    script = re.search(r"\./assets/\w+/main\.js", page.text)
    assert script is not None
    assert server.ask(f"/{script[0][2:]}", cookies=cookies).status == 200
    origin = {**HANDSHAKE, "Origin": server.url}
    assert server.ask("/app/ws", headers=origin, cookies=cookies).status == 101
    newest = Audit(client, keys).page(1).entries[0][1]
    assert (newest.who, newest.role, newest.action, newest.what) == (ANN, "admin", "sign-in", "by a provider")


@pytest.mark.browser
def test_in_a_browser_the_page_lives_and_signing_out_leaves_it(
    context: BrowserContext, server: Server, provider: Provider, alive: Callable[..., None]
) -> None:
    alive()
    provider.name = ANN
    page = context.new_page()
    page.goto(f"{server.url}/app")
    page.wait_for_selector(LIVE)
    expect(page.locator(".who")).to_contain_text(ANN)
    expect(page.get_by_role("button", name="Audit")).to_be_visible()
    other = context.new_page()
    other.goto(f"{server.url}/app")
    other.wait_for_selector(LIVE)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    expect(other.locator(LIVE)).to_have_count(0)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "signed-out.png")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Sign in").click()
    page.wait_for_selector(LIVE)


def test_the_providers_cookies_stay_out_of_the_page(server: Server, provider: Provider) -> None:
    provider.name = ANN
    page, cookies = visit(server)
    assert {"user", "access_token"} <= cookies.keys()
    for name in ("user", "access_token", "id_token"):
        assert cookies.get(name, "never") not in page.text
        assert cookies.get(name, "never").split("|")[-1] not in page.text


@pytest.mark.parametrize(
    "path", ["/", "/app", "/app/autoload.js?bokeh-autoload-element=1", "/app/metadata", "/app/ws", "/app/static/app.py"]
)
@pytest.mark.parametrize(
    "cookies",
    [
        {},
        {"user": "ann@example.org"},
        {"user": '"2|1:0|10:1|4:user|24:YW5uQGV4YW1wbGUub3Jn|0"', "is_guest": "1"},
        {"is_guest": "1"},
        {COOKIE: "forged"},
    ],
)
def test_without_the_providers_word_nothing_is_served(server: Server, path: str, cookies: dict[str, str]) -> None:
    answer = server.ask(path, cookies=cookies)
    assert answer.status != 200
    assert SECRET not in answer.text
    assert server.ask("/app/ws", headers={**HANDSHAKE, "Origin": server.url}, cookies=cookies).status == 403


def signed(name: str, *, secret: str = COOKIE_SECRET, days_ago: float = 0) -> dict[str, str]:
    """The cookie that Panel sets after the provider has vouched for somebody."""
    value = create_signed_value(secret, "user", name, clock=lambda: time.time() - days_ago * 86_400)
    return {"user": value.decode()}


@pytest.mark.parametrize("name", ["eve@example.org", "trinity", "Ann O'Neill", ""])
def test_who_has_no_account_for_it_is_refused_page_scripts_and_websocket(server: Server, name: str) -> None:
    cookies = signed(name)
    for path in ("/app", "/app/autoload.js?bokeh-autoload-element=1", "/app/metadata"):
        answer = server.ask(path, cookies=cookies)
        assert answer.status == 403 or (name == "" and answer.status == 302)
        assert SECRET not in answer.text
    assert server.ask("/app/ws", headers={**HANDSHAKE, "Origin": server.url}, cookies=cookies).status == 403


def test_a_refused_stranger_is_told_what_to_do_and_noted_once(
    server: Server, provider: Provider, client: Redis, keys: Keys
) -> None:
    provider.name = "mallory@example.org"
    page, _ = visit(server)
    assert page.status == 403
    assert "you have no account here" in page.text
    found = [entry for _, entry in Audit(client, keys).page(50).entries if "mallory@example.org" in entry.what]
    assert [(entry.who, entry.outcome, entry.address) for entry in found] == [("", "refused", HERE)]


def test_a_proof_of_another_server_or_an_old_one_is_none(server: Server) -> None:
    assert server.ask("/app", cookies=signed(ANN)).status == 200
    assert server.ask("/app", cookies=signed(ANN, secret="another")).status == 302
    assert server.ask("/app", cookies=signed(ANN, days_ago=2)).status == 302


def test_a_name_and_password_of_ours_do_not_sign_in_there(server: Server) -> None:
    answer = server.ask("/login", method="POST", form={"name": "trinity", "password": "follow the white rabbit"})
    assert answer.status in (403, 405)
    assert COOKIE not in answer.cookies


def test_a_no_of_the_provider_is_an_error_without_data(server: Server, provider: Provider) -> None:
    provider.name = None
    answer, cookies = visit(server)
    assert answer.status == 401
    assert "user" not in cookies


def test_signing_out_ends_the_proof_also_where_it_was_kept(server: Server) -> None:
    cookies = signed(ANN)
    xsrf = server.ask("/app", cookies=cookies).cookies["_xsrf"]
    proof = {**cookies, "_xsrf": xsrf}
    assert server.ask("/logout", method="POST", form={}, cookies=cookies).status == 403
    answer = server.ask("/logout", method="POST", form={}, headers={"X-XSRFToken": xsrf}, cookies=proof)
    assert answer.status == 302
    left = server.ask("/" + answer.headers["location"].lstrip("./"))
    assert left.status == 200
    assert "You have left DB Watch" in left.text
    assert server.ask("/app", cookies=cookies).status == 403
    assert "user" in SimpleCookie(answer.headers["set-cookie"])


def test_a_removed_account_is_out_at_once(server: Server, accounts: Accounts) -> None:
    accounts.add_by_provider("smith@example.org")
    cookies = signed("smith@example.org")
    assert server.ask("/app", cookies=cookies).status == 200
    accounts.remove("smith@example.org")
    assert server.ask("/app", cookies=cookies).status == 403
    assert server.ask("/app/ws", headers={**HANDSHAKE, "Origin": server.url}, cookies=cookies).status == 403


def test_a_guest_of_panel_is_nobody(
    env: dict[str, str], accounts: Accounts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    accounts.add_by_provider("guest", role="admin")
    optional = {**env, "PANEL_OAUTH_OPTIONAL": "1"}
    with serving(optional, tmp_path_factory.mktemp("guests")) as server:
        for cookies in ({}, {"is_guest": "1"}):
            assert server.ask("/app", cookies=cookies).status == 403
            origin = {**HANDSHAKE, "Origin": server.url}
            assert server.ask("/app/ws", headers=origin, cookies=cookies).status == 403
        assert server.ask("/app", cookies=signed(ANN)).status == 200
