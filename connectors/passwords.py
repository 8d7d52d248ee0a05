"""Names, roles and passwords of people who may sign in: their form, hashes and addresses. Talks to no server."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import unicodedata
from functools import cache
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from connectors.errors import ConfigError

Role = Literal["viewer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 256
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # without what is easily misread: 0 o 1 i l

_hasher = PasswordHasher()


def checked_name(name: str) -> str:
    """The name as it is kept: in lower case. Raises `ConfigError` for another form."""
    kept = name.strip().lower()
    if not _NAME.fullmatch(kept):
        raise ConfigError(
            f"{name[:80]!r} cannot be a user's name: expected 1 to 64 letters, digits and . _ - @ +, "
            "beginning with a letter or digit"
        )
    return kept


def checked_role(role: str) -> Role:
    """Raises `ConfigError` for a role that does not exist."""
    for known in ROLES:
        if role == known:
            return known
    raise ConfigError(f"{role!r} is no role; expected {' or '.join(ROLES)}")


def checked_password(password: str, name: str) -> str:
    """The password, if it will do; raises `ConfigError` that says what is wanted, never the password."""
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigError(f"the password is too short: expected {SHORTEST_PASSWORD} characters or more")
    if len(password) > LONGEST_PASSWORD:
        raise ConfigError(f"the password is too long: expected {LONGEST_PASSWORD} characters or fewer")
    if password.lower() == name.lower() or len(set(password)) < 3:
        raise ConfigError(
            "the password is too easily guessed: expected one that is not the name or one repeated character"
        )
    return password


def generated_password() -> str:
    """A password of 79 random bits, in groups that can be read aloud."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def hashed(password: str) -> str:
    """The argon2id hash of a password, with its parameters and salt. Takes about 0.1 s and 64 MB, on purpose."""
    return _hasher.hash(_normal(password))


def verified(password_hash: str | None, password: str) -> bool:
    """Whether the password is that of the hash; the same work is done for no hash, so that time tells nothing."""
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), _normal(password)) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def new_token() -> str:
    """A session's secret: 256 random bits, as text fit for a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the server keeps of a token; from it the token cannot be found."""
    return hashlib.sha256(token.encode()).hexdigest()


def network_of(address: str) -> str:
    """What one visitor can have of addresses: an IPv4 address, the first 64 bits of an IPv6 one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False).network_address) + "/64"
    return str(ip)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_hex(16))


def _normal(password: str) -> str:
    """One form for texts that look alike, so that keyboards do not matter."""
    return unicodedata.normalize("NFKC", password)
