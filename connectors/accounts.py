"""People who may sign in, and their sessions, kept in Redis.

A user is the hash `P:user:<name>`: `password` (argon2id), `role`, `created_ms`, `credential` (changes with the
password), `one_time` and, once a one-time password was used, `used_ms`. A session is the hash `P:session:<sha256 of
its token>`: `name`, `credential`, `created_ms`; it expires by itself. A session holds as long as its user has the
same credential, so removing a user or changing the password ends every session of theirs, and a changed role holds at
once.

Who signs in by a provider (OAuth) has `provider` instead of a password, and so has their session, whose token is the
provider's proof. An account is the one or the other: a name that a provider lets its people choose opens none that has
a password.

Sign-ins and sign-outs are written into the audit together with the session: there is no session without an entry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError

from connectors import account_scripts as scripts
from connectors.audit import MAXLEN, Audit, Outcome
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


class Account(NamedTuple):
    """A user as lists show them. `one_time` passwords sign in once; `used` says that this one has. `by_provider`: has
    no password, a provider vouches for them.
    """

    name: str
    role: Role
    created_ms: int
    one_time: bool
    used: bool
    by_provider: bool = False


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


class _Held(NamedTuple):
    """Too many attempts: how long to wait, and whether this is the first one that was too many."""

    wait_s: int
    first: bool


class Accounts:
    """Thread-safe, as the client is. Every method raises `ConfigError` and `TransientError` as `translated` says.

    `strangers`: the role of people whom a provider vouches for and who have no account; None: they are nobody.
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        *,
        strangers: Literal["viewer"] | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._client = client
        self._keys = keys
        self._strangers: Role | None = strangers
        self._now_ms = now_ms
        self._audit = Audit(client, keys, now_ms=now_ms)

    def add(self, name: str, password: str, *, role: str = "viewer", one_time: bool = False) -> Account:
        """A new user; raises `ConfigError` when there is one of that name, or a value will not do."""
        kept = checked_name(name)
        return self._create(kept, role, _credential(checked_password(password, kept), one_time=one_time))

    def add_by_provider(self, name: str, *, role: str = "viewer") -> Account:
        """A new user without a password, whom a provider vouches for; raises `ConfigError` as `add` does."""
        return self._create(checked_name(name), role, {"provider": "1", "credential": new_token()})

    def set_password(self, name: str, password: str, *, one_time: bool = False) -> None:
        """A new password, which ends the user's sessions.

        Raises `ConfigError` when there is no such user, or a provider vouches for them.
        """
        kept = checked_name(name)
        fields = _credential(checked_password(password, kept), one_time=one_time)
        with translated("reading a user"):
            provider = self._client.hget(self._keys.user(kept), "provider")
        if provider:
            raise ConfigError(
                f"user {kept} signs in by a provider and has no password; remove and add them to change it"
            )
        self._found(kept, self._script(scripts.UPDATE, [self._keys.user(kept)], _flat(fields)))

    def set_role(self, name: str, role: str, *, force: bool = False) -> None:
        """A new role, which holds at once.

        Raises `ConfigError` when there is no such user or role, or without `force` when nobody would be admin then.
        """
        kept, wanted = checked_name(name), checked_role(role)
        key = self._keys.user(kept)
        self._change(kept, lambda p: p.hset(key, "role", wanted), leaves=wanted != "admin" and not force)

    def remove(self, name: str, *, force: bool = False) -> None:
        """No user of that name any more, no session, and nothing that was theirs.

        Raises `ConfigError` when there is none, or without `force` when nobody would be admin then.
        """
        kept = checked_name(name)
        with translated("listing what is a user's own"):
            own = [*cast("Iterator[str]", self._client.scan_iter(match=self._keys.of_user(kept, "*"), count=500))]
        keys = [self._keys.user(kept), *own]
        self._change(kept, lambda p: p.delete(*keys), leaves=not force)

    def all(self) -> list[Account]:
        """Every user, by name; raises `ConfigError` for one whose role this version does not know."""
        with translated("listing users"):
            names = self._names()
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
        held = self._counted(counts)
        if held is not None:
            if held.first:  # one entry for all that follow within the window
                self._note_refusal(kept, address, "throttled")
            return Refused(held.wait_s)
        with translated("signing in"):
            user = cast("dict[str, str]", self._client.hgetall(self._keys.user(kept))) if kept else {}
        right = verified(user.get("password"), password) if len(password) <= 1024 else False
        signed_in = self._opened(kept, user, address) if right else None
        if signed_in is None:
            self._note_refusal(kept if user else "", address, "refused")
            return Refused()
        if outdated(user["password"]):
            self._script(scripts.REHASH, [self._keys.user(kept)], [user["credential"], hashed(password)])
        self._script(scripts.FORGIVE, counts, [])
        return signed_in

    def vouched(self, name: str, proof: str, *, address: str, lifetime_s: int = SESSION_LIFETIME_S) -> Session | None:
        """The session of somebody whom a provider vouches for by `proof`, a secret of theirs, opened when it is new.

        None when the provider's name for them is that of no account without a password (see `strangers`), or when they
        have signed out with this proof. `lifetime_s` must not be shorter than the proof holds.
        """
        try:
            kept = checked_name(name)
        except ConfigError:
            return None
        session_id = token_hash(proof)
        known = self.sessions([session_id])[0]
        if known is not None:
            return known if known.name == kept else None
        with translated("reading a user"):
            user = cast("dict[str, str]", self._client.hgetall(self._keys.user(kept)))
        role = _role_by_provider(user, self._strangers)
        if role is None:
            self._note_stranger(kept, session_id, address)
            return None
        entry = self._audit.entry("sign-in", who=kept, role=role, what="by a provider", address=address)
        args = [kept, str(self._now_ms()), str(lifetime_s), str(MAXLEN), *_flat(entry.to_fields())]
        self._script(scripts.OPEN_BY_PROVIDER, [self._keys.session(session_id), self._keys.audit], args)
        return self.sessions([session_id])[0]

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
        return [self._session(i, o, user) for i, o, user in zip(ids, opened, users, strict=True)]

    def sign_out(self, token: str, *, address: str = "") -> None:
        """End the session of this token (or of a provider's proof), if there is one."""
        session = self.session(token)
        if session is not None:
            self.end(session, address=address)

    def end(self, session: Session, *, address: str = "") -> None:
        """End a session; nothing, when it has ended."""
        entry = self._audit.entry("sign-out", who=session.name, role=session.role, address=address)
        keys = [self._keys.session(session.id), self._keys.audit]
        self._script(scripts.CLOSE, keys, [str(MAXLEN), *_flat(entry.to_fields())])

    def _create(self, name: str, role: str, credential: Mapping[str, str]) -> Account:
        fields = {"role": checked_role(role), "created_ms": str(self._now_ms()), **credential}
        if not self._script(scripts.CREATE, [self._keys.user(name)], _flat(fields)):
            raise ConfigError(f"user {name} exists already; `dbwatch users passwd {name}` gives a new password")
        return _account(name, fields)

    def _names(self) -> list[str]:
        start = self._keys.user("")
        keys = cast("Iterator[str]", self._client.scan_iter(match=f"{start}*", count=500))
        names = {key[len(start) :] for key in keys}
        return sorted(name for name in names if ":" not in name)  # else it is something of a user's own

    def _change(self, name: str, change: Callable[[Pipeline], object], *, leaves: bool) -> None:
        """Change a user, if there is one; when that `leaves` one admin fewer, another one must be left.

        What was looked at is watched, so that two admins cannot remove each other at once.
        """
        with translated("writing a user"):
            while True:
                others = [self._keys.user(other) for other in self._names() if other != name]
                with self._client.pipeline() as pipeline:
                    pipeline.watch(self._keys.user(name), *others)
                    user, *rest = self._hashes([self._keys.user(name), *others])
                    self._found(name, user)
                    if leaves and user.get("role") == "admin" and not any(o.get("role") == "admin" for o in rest):
                        raise _last_admin(name)
                    pipeline.multi()
                    change(pipeline)
                    try:
                        pipeline.execute()
                    except WatchError:
                        continue
                    return

    def _session(self, session_id: str, opened: Mapping[str, str], user: Mapping[str, str]) -> Session | None:
        if not opened or "ended" in opened:
            return None
        if opened.get("provider"):
            role = _role_by_provider(user, self._strangers)
        else:
            role = _role(user) if user and opened.get("credential") == user.get("credential") else None
        return None if role is None else Session(session_id, opened["name"], role)

    def _opened(self, name: str, user: Mapping[str, str], address: str) -> SignedIn | None:
        role = _role(user)
        if role is None:
            return None
        token = new_token()
        session_id = token_hash(token)
        entry = self._audit.entry("sign-in", who=name, role=role, what="by password", address=address)
        keys = [self._keys.user(name), self._keys.session(session_id), self._keys.audit]
        args = [user["credential"], name, str(self._now_ms()), str(SESSION_LIFETIME_S), str(MAXLEN)]
        if not self._script(scripts.OPEN, keys, [*args, *_flat(entry.to_fields())]):
            return None
        return SignedIn(token, Session(session_id, name, role))

    def _note_refusal(self, name: str, address: str, outcome: Outcome) -> None:
        what = "by password" if name else "by password, with a name that nobody has"
        self._audit.write(self._audit.entry("sign-in", who=name, what=what, address=address, outcome=outcome))

    def _note_stranger(self, name: str, session_id: str, address: str) -> None:
        """Once in a while, not for each request: each page asks for many files."""
        with translated("signing in"):
            first = self._client.set(self._keys.attempts("proof", session_id), 1, ex=WINDOW_S, nx=True)
        if first:
            what = f"by a provider, as {name}, who has no account for that"
            self._audit.write(self._audit.entry("sign-in", who="", what=what, address=address, outcome="refused"))

    def _counted(self, counts: Sequence[str]) -> _Held | None:
        """Count an attempt; how long to wait when there were too many, else None."""
        pipeline = self._client.pipeline(transaction=True)
        for key in counts:
            pipeline.set(key, 0, ex=WINDOW_S, nx=True)
            pipeline.incr(key)
            pipeline.ttl(key)
        with translated("signing in"):
            _, by_user, user_ttl, _, by_address, address_ttl = cast("list[int]", pipeline.execute())
        waits = [user_ttl] if by_user > TRIES_PER_USER else []
        waits += [address_ttl] if by_address > TRIES_PER_ADDRESS else []
        first = by_user == TRIES_PER_USER + 1 or by_address == TRIES_PER_ADDRESS + 1
        return _Held(max(1, *waits), first) if waits else None

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
    role = _role(row)
    if role is None:
        raise ConfigError(
            f"user {name} has the role {row.get('role', '')[:40]!r}, which this version does not know; "
            f"`dbwatch users role {name} viewer` gives another one"
        )
    return Account(
        name,
        role,
        int(row.get("created_ms", "0")),
        row.get("one_time") == "1",
        "used_ms" in row,
        "provider" in row,
    )


def _role(user: Mapping[str, str]) -> Role | None:
    """The role of a user; without one the least, and None for one that this version does not know."""
    try:
        return checked_role(user.get("role", "viewer"))
    except ConfigError:
        return None


def _role_by_provider(user: Mapping[str, str], strangers: Role | None) -> Role | None:
    """That of somebody whom a provider vouches for: of their own account, never of one that has a password."""
    if not user:
        return strangers
    return _role(user) if user.get("provider") == "1" else None


def _last_admin(name: str) -> ConfigError:
    return ConfigError(
        f"{name} is the only admin; give somebody else the role first (dbwatch users role NAME admin), or use --force"
    )
