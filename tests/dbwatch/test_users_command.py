"""`dbwatch users`, against a real server."""

from __future__ import annotations

import getpass
import io
import json
import re

import pytest

from connectors.accounts import Accounts, SignedIn
from connectors.redis_client import connect
from connectors.settings import Keys
from dbwatch.cli import run

HERE = "192.0.2.1"


@pytest.fixture(autouse=True)
def settings(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DBWATCH_PREFIX", prefix)
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.fixture
def accounts(redis_url: str, prefix: str) -> Accounts:
    return Accounts(connect(redis_url), Keys(prefix))


def users(*args: str) -> int:
    return run(["users", *args])


def printed_password(capsys: pytest.CaptureFixture[str]) -> str:
    found = re.fullmatch(r"password: (\S+)\n", capsys.readouterr().out)
    assert found is not None
    return found[1]


def test_an_added_user_signs_in_with_the_printed_password(
    accounts: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert users("add", "Ann", "--role", "admin") == 0
    signed_in = accounts.sign_in("ann", printed_password(capsys), address=HERE)
    assert isinstance(signed_in, SignedIn)
    assert signed_in.session.role == "admin"


def test_a_password_is_taken_from_stdin_and_not_printed(
    accounts: Accounts, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert users("add", "ann", "--password-stdin") == 0
    assert "correct horse" not in "".join(capsys.readouterr())
    assert isinstance(accounts.sign_in("ann", "correct horse battery", address=HERE), SignedIn)


def test_a_new_one_time_password_replaces_the_old_one(accounts: Accounts, capsys: pytest.CaptureFixture[str]) -> None:
    users("add", "ann", "--role", "viewer")
    old = printed_password(capsys)
    assert users("passwd", "ann", "--one-time") == 0
    new = printed_password(capsys)
    assert not isinstance(accounts.sign_in("ann", old, address=HERE), SignedIn)
    assert isinstance(accounts.sign_in("ann", new, address=HERE), SignedIn)
    assert users("list") == 0
    assert re.fullmatch(r"ann  viewer  since \d{4}-\d\d-\d\d  one-time password, used\n", capsys.readouterr().out)


def test_a_user_gets_another_role_and_is_removed(accounts: Accounts) -> None:
    users("add", "ann", "--role", "viewer")
    assert users("role", "ann", "admin") == 0
    assert [account.role for account in accounts.all()] == ["admin"]
    assert users("remove", "ann", "--force") == 0
    assert accounts.all() == []


def test_the_first_user_is_admin_and_the_next_ones_are_viewers(
    accounts: Accounts, capsys: pytest.CaptureFixture[str]
) -> None:
    users("add", "ann")
    assert "role admin, being the first user" in capsys.readouterr().err
    users("add", "bob")
    assert "role viewer\n" in capsys.readouterr().err
    assert [(account.name, account.role) for account in accounts.all()] == [("ann", "admin"), ("bob", "viewer")]


def test_the_only_admin_stays_without_force(accounts: Accounts, capsys: pytest.CaptureFixture[str]) -> None:
    users("add", "ann")
    for command in (("remove", "ann"), ("role", "ann", "viewer")):
        capsys.readouterr()
        assert users(*command) == 2
        assert "ann is the only admin" in capsys.readouterr().err
    assert users("role", "ann", "viewer", "--force") == 0
    assert accounts.all()[0].role == "viewer"


def test_a_user_by_a_provider_has_no_password(accounts: Accounts, capsys: pytest.CaptureFixture[str]) -> None:
    assert users("add", "ann@example.org", "--by-provider") == 0
    assert capsys.readouterr().out == ""
    assert accounts.all()[0].by_provider
    assert users("list") == 0
    assert capsys.readouterr().out.endswith("  by a provider\n")


def test_users_are_listed_as_json_without_anything_of_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    users("add", "ann", "--one-time")
    users("add", "bob")
    capsys.readouterr()
    assert users("list", "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert {**first, "created": ""} == {
        "name": "ann",
        "role": "admin",
        "created": "",
        "by_provider": False,
        "one_time": True,
        "used": False,
    }
    assert second["name"] == "bob"


def test_every_change_is_in_the_audit_newest_first(accounts: Accounts, capsys: pytest.CaptureFixture[str]) -> None:
    users("add", "ann")
    password = printed_password(capsys)
    users("add", "bob")
    users("passwd", "bob")
    users("role", "bob", "admin")
    users("remove", "bob")
    users("remove", "nobody")
    accounts.sign_in("ann", password, address=HERE)
    capsys.readouterr()
    assert users("audit", "--json", "-n", "6") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(entry["action"], entry["what"]) for entry in found] == [
        ("sign-in", "by password"),
        ("users", "removed bob"),
        ("users", "made bob admin"),
        ("users", "gave bob a new password"),
        ("users", "added bob as viewer"),
        ("users", "added ann as admin"),
    ]
    assert found[1]["who"] == getpass.getuser()
    assert users("audit", "-n", "1") == 0
    line = capsys.readouterr().out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z  ann  admin  sign-in  done  192\.0\.2\.1  by password\n", line)


def test_an_empty_audit_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert users("audit") == 0
    assert "the audit is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("remove", "nobody"), "there is no user nobody"),
        (("add", "a b"), "cannot be a user's name"),
        (("add", "ann", "--password-stdin"), "found nothing"),
        (("add", "ann", "--by-provider", "--one-time"), "such a user has no password"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert users(*args) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_no_server_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert users("list") == 2
    assert "no Redis answers at redis://127.0.0.1:1" in capsys.readouterr().err
