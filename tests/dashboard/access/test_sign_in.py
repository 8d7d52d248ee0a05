"""The sign-in of the real server: nobody sees data before it, and it can be undone."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis import Redis

from connectors.accounts import Accounts
from connectors.records import Record, Versions
from connectors.settings import Keys
from dashboard.access.sign_in import COOKIE
from tests.conftest import StartRedis, wait_until
from tests.dashboard.browsing import NAME, PASSWORD
from tests.dashboard.serving import APP, Answer, Server, serving

SECRET = "a film that nobody may see"
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
    "Sec-WebSocket-Protocol": "bokeh, token",
}


@pytest.fixture(scope="module", autouse=True)
def data(client: Redis, keys: Keys) -> None:
    record = Record("movies", "c", "k", 1, "p", Versions("p", {}), after=json.dumps({"title": SECRET}))
    client.xadd(keys.changes[0], {**record.to_fields()})


def session_of(server: Server) -> Mapping[str, str]:
    answer = server.sign_in(NAME, PASSWORD)
    assert answer.status == 302
    return {COOKIE: answer.cookies[COOKIE]}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/app",
        "/app/",
        "/app?bokeh-session-id=x",
        "/app/autoload.js?bokeh-autoload-element=1&bokeh-app-path=/app",
        "/app/metadata",
        "/app/ws",
        "/app/static/app.py",
        "/app/../app",
        "//app",
        "/static/../dashboard/app.py",
        "/static/extensions/../../app.py",
        "/components/dashboard.feed/Feed/_esm/feed.js",
        "/rest/app",
        "/admin",
    ],
)
@pytest.mark.parametrize("cookies", [{}, {COOKIE: "forged"}, {COOKIE: '"; drop', "user": "admin"}])
def test_without_a_session_no_path_gives_data(server: Server, path: str, cookies: dict[str, str]) -> None:
    answer = server.ask(path, cookies=cookies)
    assert answer.status != 200
    assert SECRET not in answer.text
    assert "token" not in answer.text.lower()
    if answer.status in (301, 302):
        assert "login" in answer.headers["location"] or path == "//app"


def test_without_a_session_no_websocket_opens(server: Server) -> None:
    assert server.ask("/app/ws", headers=HANDSHAKE).status == 403
    assert server.ask("/app/ws", headers=HANDSHAKE, cookies={COOKIE: "forged"}).status == 403


def test_with_a_session_page_and_websocket_open(server: Server) -> None:
    cookies = session_of(server)
    assert server.ask("/app", cookies=cookies).status == 200
    origin = {**HANDSHAKE, "Origin": server.url}
    assert server.ask("/app/ws", headers=origin, cookies=cookies).status == 101


def test_nobody_is_led_to_the_page_of_somebody_else(server: Server) -> None:
    cookies = session_of(server)
    assert server.ask("/app?bokeh-session-id=known", cookies=cookies).status == 403
    assert server.ask("/app?bokeh-token=known", cookies=cookies).status == 403
    assert server.ask("/app", headers={"Bokeh-Session-Id": "known"}, cookies=cookies).status == 403


def test_a_websocket_from_another_site_is_refused(server: Server) -> None:
    origin = {**HANDSHAKE, "Origin": "https://elsewhere.example"}
    assert server.ask("/app/ws", headers=origin, cookies=session_of(server)).status == 403


def test_the_cookie_is_out_of_reach_of_scripts_and_of_the_page(server: Server) -> None:
    answer = server.sign_in(NAME, PASSWORD)
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=lax" in attributes
    token = answer.cookies[COOKIE]
    page = server.ask("/app", cookies={COOKIE: token})
    assert token not in page.text
    for part in re.findall(r"[A-Za-z0-9_-]{40,}", page.text):
        decoded = base64.urlsafe_b64decode(part[: len(part) // 4 * 4])
        assert token.encode() not in decoded


def test_pages_stay_out_of_frames_and_caches_and_load_from_here_only(server: Server) -> None:
    for answer in (server.ask("/login"), server.ask("/app", cookies=session_of(server))):
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", answer.text)


@pytest.mark.parametrize(("name", "password"), [(NAME, "wrong password"), ("nobody", PASSWORD), ("", ""), ("*", "x")])
def test_a_wrong_name_or_password_is_refused_alike(server: Server, name: str, password: str) -> None:
    answer = server.sign_in(name, password)
    assert answer.status == 401
    assert "do not go together" in answer.text
    assert COOKIE not in answer.cookies


def test_a_name_comes_back_as_text(server: Server) -> None:
    answer = server.sign_in('"><script>alert(1)</script>', "x")
    assert "<script>alert" not in answer.text


def test_too_many_wrong_passwords_make_wait(server: Server, accounts: Accounts) -> None:
    accounts.add("cypher", PASSWORD)
    answers: list[Answer] = [server.sign_in("cypher", "wrong") for _ in range(11)]
    assert {answer.status for answer in answers[:10]} == {401}
    assert answers[10].status == 429
    assert int(answers[10].headers["retry-after"]) > 0
    assert server.sign_in("cypher", PASSWORD).status == 429


def test_a_one_time_password_signs_in_once(server: Server, accounts: Accounts) -> None:
    accounts.add("oracle", PASSWORD, one_time=True)
    first = server.sign_in("oracle", PASSWORD)
    assert server.sign_in("oracle", PASSWORD).status == 401
    assert server.ask("/app", cookies={COOKIE: first.cookies[COOKIE]}).status == 200


def test_a_form_of_another_site_does_not_sign_in(server: Server) -> None:
    form = {"name": NAME, "password": PASSWORD}
    assert server.ask("/login", method="POST", form=form).status == 403
    answer = server.ask("/login", method="POST", form=form | {"_xsrf": "made up"}, cookies={"_xsrf": "other"})
    assert answer.status == 403
    assert COOKIE not in answer.cookies


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("app", "./app"),
        ("app?view=movies%26op=u", "./app?view=movies&op=u"),
        ("//elsewhere.example", "./"),
        ("https://elsewhere.example", "./"),
        ("../../x", "./"),
        ("\\elsewhere", "./"),
    ],
)
def test_signing_in_leads_to_a_page_of_ours(server: Server, wanted: str, goes_to: str) -> None:
    answer = server.ask(f"/login?next={wanted}", cookies=session_of(server))
    assert answer.headers["location"] == goes_to


def test_signing_out_needs_a_proof_and_ends_the_session(server: Server) -> None:
    cookies = session_of(server)
    assert server.ask("/logout", cookies=cookies).status == 405
    assert server.ask("/logout", method="POST", form={}, cookies=cookies).status == 403
    assert server.ask("/app", cookies=cookies).status == 200
    xsrf = server.ask("/app", cookies=cookies).cookies["_xsrf"]
    proof = {"X-XSRFToken": xsrf}
    answer = server.ask("/logout", method="POST", form={}, headers=proof, cookies={**cookies, "_xsrf": xsrf})
    assert answer.status == 302
    assert server.ask("/app", cookies=cookies).status == 302


def test_a_removed_user_is_out_at_once(server: Server, accounts: Accounts) -> None:
    accounts.add("smith", PASSWORD)
    cookies = {COOKIE: server.sign_in("smith", PASSWORD).cookies[COOKIE]}
    assert server.ask("/app", cookies=cookies).status == 200
    accounts.remove("smith")
    assert server.ask("/app", cookies=cookies).status == 302


def test_a_restart_keeps_people_signed_in_from_any_folder(
    env: dict[str, str], accounts: Accounts, tmp_path: Path
) -> None:
    assert accounts.all()
    with serving(env, tmp_path, cwd=tmp_path) as server:
        cookies = session_of(server)
        server.stop()
        server.start()
        assert server.ask("/app", cookies=cookies).status == 200


def test_while_redis_is_away_nobody_gets_in_and_health_says_so(start_redis: StartRedis, tmp_path: Path) -> None:
    redis = start_redis()
    with serving({"REDIS_URL": redis.uri, "DBWATCH_PREFIX": "p"}, tmp_path) as server:
        assert server.ask("/healthz").status == 200
        redis.stop()
        wait_until(lambda: server.ask("/healthz").status == 503, what="health says that Redis is away")
        answer = server.ask("/app", cookies={COOKIE: "x"})
        assert answer.status == 503
        assert "cannot reach its Redis" in answer.text
        assert server.sign_in(NAME, PASSWORD).status == 503


def test_a_page_served_without_the_gate_is_empty(env: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "other_app.py"
    shutil.copy(APP, other)
    with serving(env, tmp_path, app=other) as server:
        answer = server.ask("/other_app")
        assert answer.status == 200
        assert "feed" not in answer.text
        assert server.ask("/other_app/autoload.js?bokeh-autoload-element=1").status == 200
        wait_until(lambda: "page.closed" in server.log, what="the log says that the page is closed")
