"""A dashboard on the shared server, with a prefix and an account of its own for each module, and browsers."""

from __future__ import annotations

import asyncio
import uuid
from asyncio.events import AbstractEventLoop, _set_running_loop  # pyright: ignore[reportPrivateUsage]
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from redis import Redis

from connectors.accounts import Accounts, SignedIn
from connectors.redis_client import connect
from connectors.settings import Keys
from dbwatch.valkey import Valkey
from tests import browser as finder
from tests.dashboard.browsing import NAME, PASSWORD, TIMEOUT_MS, opened, tell_alive
from tests.dashboard.serving import Server, serving

expect.set_options(timeout=TIMEOUT_MS)  # where a claim is about time, the test says how long


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(f"test-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="module")
def client(valkey: Valkey) -> Iterator[Redis]:
    client = connect(valkey.uri)
    yield client
    client.close()


@pytest.fixture(scope="module", autouse=True)
def quick_hashes() -> Iterator[None]:
    """What tests hash costs the least that argon2 can do, and so does what servers verify of it; the real parameters
    are tested with the passwords.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connectors.passwords._hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="module")
def accounts(client: Redis, keys: Keys, quick_hashes: None) -> Accounts:
    accounts = Accounts(client, keys)
    accounts.add(NAME, PASSWORD)
    return accounts


@pytest.fixture(scope="module")
def env(valkey: Valkey, keys: Keys) -> dict[str, str]:
    return {"REDIS_URL": valkey.uri, "DBWATCH_PREFIX": keys.prefix}


@pytest.fixture(scope="module")
def server(env: dict[str, str], accounts: Accounts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(env, tmp_path_factory.mktemp("dashboard")) as server:
        yield server


@pytest.fixture(scope="session")
def launched() -> Iterator[tuple[Browser, AbstractEventLoop]]:
    """The browser of the session, and the loop that Playwright runs it with, which looks as if it always ran."""
    path = finder.find()
    assert path is not None, "no browser; `make test` installs one"
    with sync_playwright() as playwright:
        browser, loop = playwright.chromium.launch(executable_path=path), asyncio.get_running_loop()
        _set_running_loop(None)
        yield browser, loop
        _set_running_loop(loop)
        browser.close()


@pytest.fixture(scope="module")
def chromium(launched: tuple[Browser, AbstractEventLoop]) -> Iterator[Browser]:
    """The browser. The loop is set aside for other modules, since beside one that runs no other may be started."""
    browser, loop = launched
    _set_running_loop(loop)
    yield browser
    _set_running_loop(None)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    # Without motion, for the sky of each page is drawn by the processor here; what moves has tests of its own.
    context = chromium.new_context(viewport={"width": 1366, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def token(accounts: Accounts) -> str:
    """A session, so that not each test must fill in the form."""
    signed_in = accounts.sign_in(NAME, PASSWORD, address="127.0.0.1")
    assert isinstance(signed_in, SignedIn)
    return signed_in.token


@pytest.fixture
def alive(client: Redis, keys: Keys) -> Callable[..., None]:
    """Says what a running flow says each second."""
    return partial(tell_alive, client, keys)


@pytest.fixture
def page(context: BrowserContext, server: Server, token: str, alive: Callable[..., None]) -> Page:
    alive()
    return opened(context, server, token)
