"""Names, roles, passwords and addresses of people who may sign in."""

from __future__ import annotations

import pytest

from connectors.errors import ConfigError
from connectors.passwords import (
    checked_name,
    checked_password,
    checked_role,
    generated_password,
    hashed,
    network_of,
    new_token,
    outdated,
    token_hash,
    verified,
)


def test_names_are_kept_in_lower_case() -> None:
    assert checked_name(" Ann.Lee@example.org ") == "ann.lee@example.org"


@pytest.mark.parametrize("name", ["", "a b", "*", "x" * 65, "-x", "a:b", "né", "a\nb"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a user's name"):
        checked_name(name)


def test_roles_are_viewer_and_admin() -> None:
    assert checked_role("admin") == "admin"
    with pytest.raises(ConfigError, match="viewer or admin"):
        checked_role("root")


@pytest.mark.parametrize("password", ["tiny-1", "x" * 257, "aaaaaaaaaa", "somebody"])
def test_weak_passwords_are_refused_without_repeating_them(password: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        checked_password(password, "Somebody")
    assert password not in str(refusal.value)


def test_generated_passwords_differ_and_will_do() -> None:
    made = {checked_password(generated_password(), "ann") for _ in range(50)}
    assert len(made) == 50


def test_a_hash_knows_its_password_in_any_unicode_form() -> None:
    password_hash = hashed("caf\u00e9 au lait")
    assert password_hash.startswith("$argon2id$")
    assert verified(password_hash, "cafe\u0301 au lait")
    assert not verified(password_hash, "Caf\u00e9 au lait")
    assert not outdated(password_hash)


def test_no_hash_and_a_broken_hash_know_no_password() -> None:
    assert not verified(None, "anything")
    assert not verified("not a hash", "anything")


def test_tokens_differ_and_are_kept_as_hashes() -> None:
    token = new_token()
    assert token != new_token()
    assert len(token) >= 43
    assert token not in token_hash(token)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("nonsense", "unknown"),
    ],
)
def test_a_visitor_is_counted_by_the_addresses_they_can_have(address: str, network: str) -> None:
    assert network_of(address) == network
