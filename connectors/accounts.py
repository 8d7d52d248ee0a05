"""People who may sign in, and their sessions, kept in Redis.

A user is the hash `P:user:<name>`: `password` (argon2id), `role`, `created_ms`, `credential` (changes with the
password), `one_time` and, once a one-time password was used, `used_ms`. A session is the hash `P:session:<sha256 of
its token>`: `name`, `credential`, `created_ms`; it expires by itself. A session holds as long as its user has the
same credential, so removing a user or changing the password ends every session of theirs, and a changed role holds at
once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from redis import Redis

from connectors.errors import ConfigError
from connectors.passwords import (
    Role,
    checked_name,
    checked_password,
    checked_role,
    hashed,
    network_of,
    new_token,
    outdated,
    token_hash,
    verified,
)
from connectors.redis_client import translated
from connectors.settings import Keys

SESSION_LIFETIME_S = 7 * 24 * 3600
WINDOW_S = 300
TRIES_PER_USER = 10
TRIES_PER_ADDRESS = 30

# Writes of a user's fields that hold only if what was read is still so.
_CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""
_UPDATE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], 'used_ms')
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""
_SET_ROLE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'role', ARGV[1])
return 1
"""
# Opens a session if the credential is still the one that was verified, and a one-time password is used by nobody else.
_OPEN = """
if redis.call('HGET', KEYS[1], 'credential') ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'one_time') == '1' then
  if redis.call('HSETNX', KEYS[1], 'used_ms', ARGV[3]) == 0 then return 0 end
end
redis.call('HSET', KEYS[2], 'name', ARGV[2], 'credential', ARGV[1], 'created_ms', ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""
_REHASH = """
if redis.call('HGET', KEYS[1], 'credential') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'password', ARGV[2])
return 1
"""
# After a right password: the name's count begins anew, the address gets this attempt back.
_FORGIVE = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECR', KEYS[2]) end
return 1
"""


class Account(NamedTuple):
    """A user as lists show them. `one_time` passwords sign in once; `used` says that this one has."""

    name: str
    role: Role
    created_ms: int
    one_time: bool
    used: bool


class Session(NamedTuple):
    """Somebody who is signed in. `id` is the hash of the token, which only the browser has."""

    id: str
    name: str
    role: Role


class SignedIn(NamedTuple):
    """A new session and the token that proves it."""

    token: str
    session: Session


class Refused(NamedTuple):
    """No session: a wrong name or password, or, with a time to wait, too many of them."""

    retry_after_s: int | None = None


class Accounts:
    """Thread-safe, as the client is. Every method raises `ConfigError` and `TransientError` as `translated` says."""

    def __init__(
        self, client: Redis, keys: Keys, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._client = client
        self._keys = keys
        self._now_ms = now_ms

    def add(self, name: str, password: str, *, role: str = "viewer", one_time: bool = False) -> Account:
        """A new user; raises `ConfigError` when there is one of that name, or a value will not do."""
        kept = checked_name(name)
        fields = {"role": checked_role(role), "created_ms": str(self._now_ms())}
        fields |= _credential(checked_password(password, kept), one_time=one_time)
        if not self._script(_CREATE, [self._keys.user(kept)], _flat(fields)):
            raise ConfigError(f"user {kept} exists already; `dbwatch users passwd {kept}` gives a new password")
        return _account(kept, fields)

    def set_password(self, name: str, password: str, *, one_time: bool = False) -> None:
        """A new password, which ends the user's sessions; raises `ConfigError` when there is no such user."""
        kept = checked_name(name)
        fields = _credential(checked_password(password, kept), one_time=one_time)
        self._found(kept, self._script(_UPDATE, [self._keys.user(kept)], _flat(fields)))

    def set_role(self, name: str, role: str) -> None:
        """A new role, which holds at once; raises `ConfigError` when there is no such user or role."""
        kept = checked_name(name)
        self._found(kept, self._script(_SET_ROLE, [self._keys.user(kept)], [checked_role(role)]))

    def remove(self, name: str) -> None:
        """No user of that name any more, and no session; raises `ConfigError` when there is none."""
        kept = checked_name(name)
        with translated(f"removing user {kept}"):
            self._found(kept, self._client.delete(self._keys.user(kept)))

    def all(self) -> list[Account]:
        """Every user, by name."""
        start = self._keys.user("")
        with translated("listing users"):
            keys = cast("Iterator[str]", self._client.scan_iter(match=f"{start}*", count=500))
            names = sorted(key[len(start) :] for key in keys)
            rows = self._hashes([self._keys.user(name) for name in names])
        return [_account(name, row) for name, row in zip(names, rows, strict=True) if row]

    def sign_in(self, name: str, password: str, *, address: str) -> SignedIn | Refused:
        """Open a session if the password is right and neither name nor address has had too many wrong ones lately.

        An attempt is counted before it is checked, so that parallel ones cannot outrun the limit; a right one gives its
        count back. A one-time password is used up by this. Takes about 0.1 s, for unknown names too.
        """
        try:
            kept = checked_name(name)
        except ConfigError:
            kept = ""  # no user has it; its hash is not there, and all such names share one count
        counts = [self._keys.attempts("user", kept), self._keys.attempts("address", network_of(address))]
        if wait_s := self._counted(counts):
            return Refused(wait_s)
        with translated("signing in"):
            user = cast("dict[str, str]", self._client.hgetall(self._keys.user(kept))) if kept else {}
        right = verified(user.get("password"), password) if len(password) <= 1024 else False
        signed_in = self._opened(kept, user) if right else None
        if signed_in is None:
            return Refused()
        if outdated(user["password"]):
            self._script(_REHASH, [self._keys.user(kept)], [user["credential"], hashed(password)])
        self._script(_FORGIVE, counts, [])
        return signed_in

    def session(self, token: str) -> Session | None:
        """Who has this token, None when nobody is signed in with it (any more)."""
        return self.sessions([token_hash(token)])[0]

    def sessions(self, ids: Sequence[str]) -> list[Session | None]:
        """The same for many, by the hashes of their tokens, in two round trips."""
        if not ids:
            return []
        with translated("reading sessions"):
            opened = self._hashes([self._keys.session(i) for i in ids])
            users = self._hashes([self._keys.user(o.get("name", "")) for o in opened])
        return [_session(i, o, user) for i, o, user in zip(ids, opened, users, strict=True)]

    def sign_out(self, token: str) -> None:
        """End the session of this token, if there is one."""
        with translated("signing out"):
            self._client.delete(self._keys.session(token_hash(token)))

    def _opened(self, name: str, user: Mapping[str, str]) -> SignedIn | None:
        token = new_token()
        session_id = token_hash(token)
        keys = [self._keys.user(name), self._keys.session(session_id)]
        args = [user["credential"], name, str(self._now_ms()), str(SESSION_LIFETIME_S)]
        if not self._script(_OPEN, keys, args):
            return None
        return SignedIn(token, Session(session_id, name, checked_role(user["role"])))

    def _counted(self, counts: Sequence[str]) -> int | None:
        """Count an attempt; how many seconds to wait when there were too many, else None."""
        pipeline = self._client.pipeline(transaction=True)
        for key in counts:
            pipeline.set(key, 0, ex=WINDOW_S, nx=True)
            pipeline.incr(key)
            pipeline.ttl(key)
        with translated("signing in"):
            _, by_user, user_ttl, _, by_address, address_ttl = cast("list[int]", pipeline.execute())
        waits = [user_ttl] if by_user > TRIES_PER_USER else []
        waits += [address_ttl] if by_address > TRIES_PER_ADDRESS else []
        return max(1, *waits) if waits else None

    def _hashes(self, keys: Sequence[str]) -> list[dict[str, str]]:
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        return pipeline.execute()

    def _script(self, script: str, keys: Sequence[str], args: Sequence[str]) -> bool:
        with translated("writing a user"):
            return bool(self._client.eval(script, len(keys), *keys, *args))

    def _found(self, name: str, found: object) -> None:
        if not found:
            raise ConfigError(f"there is no user {name}; `dbwatch users list` shows who there is")


def _credential(password: str, *, one_time: bool) -> dict[str, str]:
    return {"password": hashed(password), "credential": new_token(), "one_time": "1" if one_time else "0"}


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [text for pair in fields.items() for text in pair]


def _account(name: str, row: Mapping[str, str]) -> Account:
    return Account(
        name,
        checked_role(row.get("role", "viewer")),
        int(row.get("created_ms", "0")),
        row.get("one_time") == "1",
        "used_ms" in row,
    )


def _session(session_id: str, opened: Mapping[str, str], user: Mapping[str, str]) -> Session | None:
    if not opened or not user or opened.get("credential") != user.get("credential"):
        return None
    return Session(session_id, opened["name"], checked_role(user.get("role", "")))
