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
from connectors.audit import Audit
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
    read = {"hash": client.hgetall, "stream": client.xrange, "string": client.get}
    return str([(key, read[str(client.type(key))](key)) for key in keys])


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


def test_the_only_admin_stays_unless_forced(accounts: Accounts) -> None:
    accounts.add("ann", PASSWORD, role="admin")
    accounts.add("bob", PASSWORD)
    for change in (lambda: accounts.remove("ann"), lambda: accounts.set_role("ann", "viewer")):
        with pytest.raises(ConfigError, match="ann is the only admin"):
            change()
    accounts.set_role("ann", "admin")
    accounts.set_role("bob", "admin")
    accounts.set_role("ann", "viewer")
    accounts.remove("ann")
    accounts.remove("bob", force=True)
    accounts.add("eve", PASSWORD, role="admin")
    accounts.set_role("eve", "viewer", force=True)
    accounts.remove("eve")
    assert accounts.all() == []


def test_two_admins_who_remove_each_other_at_once_leave_one(accounts: Accounts) -> None:
    for _ in range(5):
        accounts.add("ann", PASSWORD, role="admin")
        accounts.add("bob", PASSWORD, role="admin")
        with ThreadPoolExecutor(2) as pool:
            attempts = [pool.submit(accounts.remove, name) for name in ("ann", "bob")]
            assert sum(attempt.exception() is None for attempt in attempts) == 1
        (left,) = accounts.all()
        accounts.remove(left.name, force=True)


def test_what_is_a_users_own_is_no_user_and_goes_with_them(accounts: Accounts, client: Redis, keys: Keys) -> None:
    accounts.add("ann", PASSWORD)
    accounts.add("ann2", PASSWORD)
    for name in ("ann", "ann2"):
        client.hset(keys.of_user(name, "filters"), "mine", "op:u")
    assert [account.name for account in accounts.all()] == ["ann", "ann2"]
    accounts.remove("ann")
    assert client.keys(f"{keys.prefix}:user:*:*") == [keys.of_user("ann2", "filters")]


def test_without_a_role_one_has_the_least_and_with_an_unknown_one_none(
    accounts: Accounts, client: Redis, keys: Keys
) -> None:
    accounts.add("ann", PASSWORD)
    client.hdel(keys.user("ann"), "role")
    token, session = signed_in(accounts)
    assert session.role == accounts.all()[0].role == "viewer"
    client.hset(keys.user("ann"), "role", "emperor")
    assert accounts.session(token) is None
    assert accounts.sign_in("ann", PASSWORD, address=HERE) == Refused()
    with pytest.raises(ConfigError, match=r"user ann has the role 'emperor'.*dbwatch users role ann viewer"):
        accounts.all()
    accounts.set_role("ann", "viewer")
    assert accounts.session(token) == session


PROOF = "what a provider signed"


def test_a_provider_vouches_for_accounts_without_a_password(accounts: Accounts, client: Redis, keys: Keys) -> None:
    assert accounts.add_by_provider("Ann@example.org", role="admin").by_provider
    session = accounts.vouched("ann@Example.org", PROOF, address=HERE)
    assert session is not None
    assert (session.name, session.role) == ("ann@example.org", "admin")
    assert accounts.vouched("ann@example.org", PROOF, address=HERE) == session
    assert accounts.sessions([session.id]) == [session]
    assert PROOF not in all_texts(client, keys.prefix)
    assert accounts.sign_in("ann@example.org", "", address=HERE) == Refused()
    with pytest.raises(ConfigError, match="signs in by a provider"):
        accounts.set_password("ann@example.org", PASSWORD)


def test_a_providers_name_opens_no_account_that_has_a_password(accounts: Accounts) -> None:
    accounts.add("admin", PASSWORD, role="admin")
    assert accounts.vouched("admin", PROOF, address=HERE) is None


@pytest.mark.parametrize("name", ["nobody", "no such name!", "", "a:b"])
def test_a_providers_stranger_is_nobody(accounts: Accounts, name: str) -> None:
    assert accounts.vouched(name, PROOF, address=HERE) is None


def test_strangers_are_let_in_where_a_setting_says_so(client: Redis, keys: Keys) -> None:
    open_to_all = Accounts(client, keys, strangers="viewer")
    session = open_to_all.vouched("neo", PROOF, address=HERE)
    assert session is not None
    assert session.role == "viewer"
    assert open_to_all.vouched("not a name!", "other", address=HERE) is None
    assert Accounts(client, keys).sessions([session.id]) == [None]
    open_to_all.add("neo", PASSWORD, role="admin")
    assert open_to_all.sessions([session.id]) == [None]


def test_a_proof_is_of_one_name_and_of_none_once_signed_out(accounts: Accounts) -> None:
    accounts.add_by_provider("ann")
    accounts.add_by_provider("bob")
    session = accounts.vouched("ann", PROOF, address=HERE)
    assert session is not None
    assert accounts.vouched("bob", PROOF, address=HERE) is None
    accounts.sign_out(PROOF, address=HERE)
    assert accounts.sessions([session.id]) == [None]
    assert accounts.vouched("ann", PROOF, address=HERE) is None
    assert accounts.vouched("ann", "another proof", address=HERE) is not None
    accounts.remove("ann")
    assert accounts.vouched("ann", "another proof", address=HERE) is None


def deeds(client: Redis, keys: Keys) -> list[tuple[str, str, str, str]]:
    """What the audit holds, oldest first: who, action, outcome, address."""
    entries = [entry for _, entry in Audit(client, keys).page(100).entries]
    return [(entry.who, entry.action, entry.outcome, entry.address) for entry in reversed(entries)]


def test_the_audit_tells_of_sign_ins_and_sign_outs(
    accounts: Accounts, client: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES_PER_USER", 1)
    accounts.add("ann", PASSWORD, role="admin")
    accounts.add_by_provider("bob")
    token = signed_in(accounts).token
    accounts.sign_out(token, address=HERE)
    accounts.sign_out(token, address=HERE)
    accounts.sign_in(PASSWORD, PASSWORD, address=HERE)
    for _ in range(4):
        accounts.sign_in("ann", "wrong", address=HERE)
    for _ in range(2):
        accounts.vouched("bob", PROOF, address="192.0.2.9")
        accounts.vouched("eve", "her proof", address="192.0.2.9")
    assert deeds(client, keys) == [
        ("ann", "sign-in", "done", HERE),
        ("ann", "sign-out", "done", HERE),
        ("", "sign-in", "refused", HERE),
        ("ann", "sign-in", "refused", HERE),
        ("ann", "sign-in", "throttled", HERE),
        ("bob", "sign-in", "done", "192.0.2.9"),
        ("", "sign-in", "refused", "192.0.2.9"),
    ]
    assert PASSWORD not in all_texts(client, keys.prefix)
    roles = [entry.role for _, entry in Audit(client, keys).page(100).entries]
    assert roles == ["", "viewer", "", "", "", "admin", "admin"]


def test_there_is_no_session_without_an_entry_in_the_audit(accounts: Accounts, client: Redis, keys: Keys) -> None:
    accounts.add("ann", PASSWORD)
    accounts.add_by_provider("bob")
    client.set(keys.audit, "something else")
    with pytest.raises(ConfigError):
        accounts.sign_in("ann", PASSWORD, address=HERE)
    with pytest.raises(ConfigError):
        accounts.vouched("bob", PROOF, address=HERE)
    assert client.keys(f"{keys.prefix}:session:*") == []


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
