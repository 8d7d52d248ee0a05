"""`dbwatch users`, against a real server."""

from __future__ import annotations

import io
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
    users("add", "ann")
    old = printed_password(capsys)
    assert users("passwd", "ann", "--one-time") == 0
    new = printed_password(capsys)
    assert not isinstance(accounts.sign_in("ann", old, address=HERE), SignedIn)
    assert isinstance(accounts.sign_in("ann", new, address=HERE), SignedIn)
    assert users("list") == 0
    assert re.fullmatch(r"ann  viewer  since \d{4}-\d\d-\d\d  one-time password, used\n", capsys.readouterr().out)


def test_a_user_gets_another_role_and_is_removed(accounts: Accounts) -> None:
    users("add", "ann")
    assert users("role", "ann", "admin") == 0
    assert [account.role for account in accounts.all()] == ["admin"]
    assert users("remove", "ann") == 0
    assert accounts.all() == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("remove", "nobody"), "there is no user nobody"),
        (("add", "a b"), "cannot be a user's name"),
        (("add", "ann", "--password-stdin"), "found nothing"),
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
