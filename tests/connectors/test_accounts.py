"""Users and sessions on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from argon2 import PasswordHasher
from redis import Redis

from connectors import accounts as module
from connectors.accounts import Accounts, Refused, SignedIn
from connectors.errors import ConfigError, TransientError
from connectors.redis_client import connect
from connectors.settings import Keys
from tests.conftest import REDIS_KINDS

PASSWORD = "correct horse battery"
HERE = "192.0.2.1"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least work that argon2 can do; the real parameters are tested with the passwords."""
    monkeypatch.setattr("connectors.passwords._hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(params=REDIS_KINDS)
def redis_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix)


@pytest.fixture
def accounts(client: Redis, keys: Keys) -> Accounts:
    return Accounts(client, keys)


def signed_in(accounts: Accounts, name: str = "ann", password: str = PASSWORD) -> SignedIn:
    result = accounts.sign_in(name, password, address=HERE)
    assert isinstance(result, SignedIn)
    return result


def all_texts(client: Redis, prefix: str) -> str:
    """Every key below the prefix, with its value."""
    keys = cast("list[str]", client.keys(f"{prefix}:*"))
    return str([(key, client.hgetall(key) if client.type(key) == "hash" else client.get(key)) for key in keys])


def test_a_user_signs_in_with_the_right_password_only(accounts: Accounts) -> None:
    accounts.add("Ann", PASSWORD, role="admin")
    assert accounts.sign_in("ann", "wrong horse battery", address=HERE) == Refused()
    assert accounts.sign_in("nobody", PASSWORD, address=HERE) == Refused()
    assert accounts.sign_in("no such name!", PASSWORD, address=HERE) == Refused()
    token, session = signed_in(accounts, "ANN ")
    assert (session.name, session.role) == ("ann", "admin")
    assert accounts.session(token) == session
    assert accounts.session("forged") is None


def test_neither_password_nor_token_is_kept(accounts: Accounts, client: Redis, keys: Keys) -> None:
    accounts.add("ann", PASSWORD)
    token = signed_in(accounts).token
    everything = all_texts(client, keys.prefix)
    assert PASSWORD not in everything
    assert token not in everything
    assert "$argon2id$" in everything


def test_sessions_expire(accounts: Accounts, client: Redis, keys: Keys) -> None:
    accounts.add("ann", PASSWORD)
    session = signed_in(accounts).session
    assert 0 < client.ttl(keys.session(session.id)) <= module.SESSION_LIFETIME_S


def test_a_one_time_password_signs_in_once_and_its_session_goes_on(accounts: Accounts) -> None:
    accounts.add("ann", PASSWORD, one_time=True)
    token = signed_in(accounts).token
    assert accounts.sign_in("ann", PASSWORD, address=HERE) == Refused()
    assert accounts.session(token) is not None
    assert accounts.all()[0].used
    accounts.set_password("ann", "another " + PASSWORD, one_time=True)
    assert not accounts.all()[0].used
    signed_in(accounts, password="another " + PASSWORD)


def test_of_two_who_use_a_one_time_password_at_once_one_gets_in(accounts: Accounts) -> None:
    accounts.add("ann", PASSWORD, one_time=True)
    with ThreadPoolExecutor(4) as pool:
        attempts = [pool.submit(accounts.sign_in, "ann", PASSWORD, address=HERE) for _ in range(4)]
        results = [attempt.result() for attempt in attempts]
    assert sum(isinstance(result, SignedIn) for result in results) == 1


@pytest.mark.parametrize("end", ["passwd", "remove", "re-create", "sign out"])
def test_a_session_ends(accounts: Accounts, end: str) -> None:
    accounts.add("ann", PASSWORD)
    accounts.add("bob", PASSWORD)
    token, session = signed_in(accounts)
    others = signed_in(accounts, "bob").session
    if end == "passwd":
        accounts.set_password("ann", "another " + PASSWORD)
    elif end == "sign out":
        accounts.sign_out(token)
    else:
        accounts.remove("ann")
        if end == "re-create":
            accounts.add("ann", PASSWORD)
    assert accounts.session(token) is None
    assert accounts.sessions([session.id, others.id]) == [None, others]


def test_a_changed_role_holds_at_once(accounts: Accounts) -> None:
    accounts.add("ann", PASSWORD)
    token = signed_in(accounts).token
    accounts.set_role("ann", "admin")
    session = accounts.session(token)
    assert session is not None
    assert session.role == "admin"


def test_users_are_listed_by_name(accounts: Accounts) -> None:
    assert accounts.all() == []
    accounts.add("bob", PASSWORD)
    accounts.add("ann", PASSWORD, role="admin", one_time=True)
    assert [(a.name, a.role, a.one_time, a.used) for a in accounts.all()] == [
        ("ann", "admin", True, False),
        ("bob", "viewer", False, False),
    ]


def test_a_name_is_taken_once(accounts: Accounts) -> None:
    accounts.add("ann", PASSWORD)
    with pytest.raises(ConfigError, match="exists already"):
        accounts.add("Ann", PASSWORD)


def test_who_is_not_there_cannot_be_changed(accounts: Accounts) -> None:
    for change in (
        lambda: accounts.remove("ann"),
        lambda: accounts.set_password("ann", PASSWORD),
        lambda: accounts.set_role("ann", "admin"),
    ):
        with pytest.raises(ConfigError, match="there is no user ann"):
            change()
    assert accounts.all() == []


def test_too_many_wrong_passwords_of_a_user_make_wait_even_with_the_right_one(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES_PER_USER", 2)
    accounts.add("ann", PASSWORD)
    accounts.add("bob", PASSWORD)
    for _ in range(2):
        assert accounts.sign_in("ann", "wrong", address=HERE) == Refused()
    held = accounts.sign_in("ann", PASSWORD, address="192.0.2.99")
    assert isinstance(held, Refused)
    assert held.retry_after_s is not None
    assert 0 < held.retry_after_s <= module.WINDOW_S
    signed_in(accounts, "bob")


def test_too_many_wrong_passwords_from_an_address_make_wait(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES_PER_ADDRESS", 2)
    accounts.add("ann", PASSWORD)
    for name in ("eve", "mallory"):
        accounts.sign_in(name, "wrong", address="2001:db8::1")
    held = accounts.sign_in("ann", PASSWORD, address="2001:db8::2")
    assert isinstance(held, Refused)
    assert held.retry_after_s
    signed_in(accounts)


def test_a_right_password_forgets_the_wrong_ones(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIES_PER_USER", 2)
    accounts.add("ann", PASSWORD)
    for _ in range(3):
        assert accounts.sign_in("ann", "wrong", address=HERE) == Refused()
        signed_in(accounts)


def test_a_server_that_is_away_is_a_transient_error(keys: Keys) -> None:
    with pytest.raises(TransientError):
        Accounts(connect("redis://127.0.0.1:1/0"), keys).session("token")
