"""The audit in a real browser: admins open it, viewers do not even see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect
from redis import Redis

from connectors.accounts import Accounts, SignedIn
from connectors.audit import Audit
from connectors.settings import Keys
from tests.dashboard.auditing import violations
from tests.dashboard.browsing import PASSWORD, opened
from tests.dashboard.serving import Server

pytestmark = pytest.mark.browser

SCREENSHOTS = Path("test-results/dashboard")
KEEP_SOCKETS = (
    "window.WebSocket = class extends WebSocket { constructor(...all) { super(...all); window.kept = this } }"
)
FORGE = """(message) => {
    const map = (value) => value && typeof value === "object"
        ? { type: "map", entries: Object.entries(value).map(([name, item]) => [name, map(item)]) } : value
    const entries = [["model", { id: Bokeh.documents[0].roots()[0].id }], ["data", map(message)]]
    const said = { type: "event", name: "data_event", values: { type: "map", entries } }
    kept.send(JSON.stringify({ msgid: "forged", msgtype: "PATCH-DOC" }))
    kept.send("{}")
    kept.send(JSON.stringify({ events: [{ kind: "MessageSent", msg_type: "bokeh_event", msg_data: said }] }))
}"""
HOSTILE = '<img src=x onerror="document.title=1">'


def token_of(accounts: Accounts, name: str, role: str) -> str:
    accounts.add(name, PASSWORD, role=role)
    signed_in = accounts.sign_in(name, PASSWORD, address="192.0.2.7")
    assert isinstance(signed_in, SignedIn)
    return signed_in.token


def test_an_admin_pages_through_the_audit_and_loses_it_with_the_role(
    context: BrowserContext,
    server: Server,
    accounts: Accounts,
    client: Redis,
    keys: Keys,
    alive: Callable[..., None],
) -> None:
    alive()
    audit = Audit(client, keys)
    ids = [audit.write(audit.entry("export", who="neo", role="viewer", what=f"{n} rows as CSV")) for n in range(60)]
    audit.write(audit.entry("replay", who="neo", role="admin", what=HOSTILE, outcome="failed"))
    accounts.add("architect", PASSWORD, role="admin")
    page = opened(context, server, token_of(accounts, "morpheus", "admin"))
    page.screenshot(path=SCREENSHOTS / "admin.png")
    page.get_by_role("button", name="Audit").click()
    drawer = page.get_by_role("complementary", name="Audit")
    rows = drawer.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.nth(0)).to_contain_text("morpheus")
    expect(rows.nth(0)).to_contain_text("by password")
    expect(rows.nth(0)).to_contain_text("192.0.2.7")
    expect(rows.nth(1)).to_contain_text(HOSTILE)
    drawer.get_by_role("button", name="Older").click()
    expect(drawer.get_by_text("That is all.")).to_be_visible()
    shown = [row.get_attribute("data-id") for row in rows.all()]
    assert len({*shown}) == len(shown)
    assert {*ids} <= {*shown}
    drawer.locator(".drawer-body").evaluate("(body) => body.scrollTo(0, 0)")
    page.screenshot(path=SCREENSHOTS / "audit.png")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.querySelector('.drawer-body').scrollWidth <= innerWidth")
    page.screenshot(path=SCREENSHOTS / "audit-phone.png")
    assert violations(page) == []

    page.reload()
    expect(rows).to_have_count(50)
    accounts.set_role("morpheus", "viewer")
    expect(page.get_by_text("Your role is now viewer.")).to_be_visible(timeout=4000)
    expect(drawer).to_have_count(0)
    expect(page.get_by_role("button", name="Audit")).to_have_count(0)
    assert page.title() == "DB Watch"


def test_a_viewer_does_not_see_it_and_is_refused_when_asking_by_hand(
    context: BrowserContext, server: Server, accounts: Accounts, alive: Callable[..., None]
) -> None:
    alive()
    heard: list[str] = []
    page = context.new_page()
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    page.add_init_script(KEEP_SOCKETS)
    opened(context, server, token_of(accounts, "tank", "viewer"), page, query="?audit=1")
    expect(page.locator(".who")).to_contain_text("tank")
    expect(page.get_by_role("button", name="Audit")).to_have_count(0)
    expect(page.get_by_role("complementary")).to_have_count(0)
    page.evaluate(FORGE, {"ask": 900, "what": "audit", "args": {"role": "admin"}, "role": "admin"})
    refusals: list[str] = []
    for _ in range(100):
        refusals = [frame for frame in heard if "900" in frame and '"failed' in frame.replace("\\", "")]
        if refusals:
            break
        page.wait_for_timeout(50)
    (refusal,) = refusals
    assert "your role, viewer, may not read the audit" in refusal
    assert "by password" not in "".join(heard)
