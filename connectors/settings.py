"""The only reader of the environment, `.env` and `dbwatch.toml`; what comes out are frozen values."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from dotenv import dotenv_values

from connectors.errors import ConfigError

DEFAULTS: Mapping[str, str] = {
    "MONGO_URI": "mongodb://127.0.0.1:27017/?replicaSet=rs0",
    "MONGO_DB": "sample_mflix",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "DBWATCH_CONFIG": "dbwatch.toml",
    "DBWATCH_PREFIX": "dbwatch",
    "DBWATCH_MONGO_PARTITIONS": "1",
    "DBWATCH_STREAM_SHARDS": "1",
    "DBWATCH_STREAM_MAXLEN": "100000",
    "DBWATCH_METRICS": "127.0.0.1:9464",
    "DBWATCH_ARCHIVE": "",
    "DBWATCH_REPLAY_NAME": "replay",
    "DBWATCH_REPLAY_UNTIL": "now",
    "DBWATCH_REPLAY_INTO": "",
    "DBWATCH_REPLAY_UNTIL_SNAPSHOT": "",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of everything kept in Redis, under one prefix.

    With the name of a `replay` the streams, the dead letters and the job are those of that replay.
    """

    prefix: str
    shards: int = 1
    replay: str = ""

    def of_replay(self, name: str) -> Keys:
        """The same prefix's, for the replay of this name."""
        return replace(self, replay=name)

    @property
    def changes(self) -> tuple[str, ...]:
        """The output streams, in order of shard."""
        stream = f"{self.prefix}:replay:{self.replay}" if self.replay else f"{self.prefix}:changes"
        return (stream,) if self.shards == 1 else tuple(f"{stream}:{i}" for i in range(self.shards))

    @property
    def rates(self) -> str:
        return f"{self.prefix}:rates"

    @property
    def deadletter(self) -> str:
        return self._of_feed("deadletter")

    @property
    def retries(self) -> str:
        return f"{self.prefix}:retries"

    @property
    def audit(self) -> str:
        return f"{self.prefix}:audit"

    @property
    def job(self) -> str:
        return self._of_feed("job")

    @property
    def health(self) -> str:
        return f"{self.prefix}:health"

    def _of_feed(self, what: str) -> str:
        return f"{self.prefix}:replay:{self.replay}:{what}" if self.replay else f"{self.prefix}:{what}"

    def user(self, name: str) -> str:
        return f"{self.prefix}:user:{name}"

    def of_user(self, name: str, what: str) -> str:
        """Something that is a user's own, and goes when they are removed."""
        return f"{self.prefix}:user:{name}:{what}"

    def session(self, token_hash: str) -> str:
        return f"{self.prefix}:session:{token_hash}"

    def attempts(self, kind: str, who: str) -> str:
        """Counts refused sign-ins of one user or from one address."""
        return f"{self.prefix}:attempts:{kind}:{who}"

    def export(self, ticket_hash: str) -> str:
        return f"{self.prefix}:export:{ticket_hash}"

    def cursor(self, name: str) -> str:
        return f"{self.prefix}:cursor:{name}"


class Listen(NamedTuple):
    """An address to listen on, and whether somebody asked for just this one. Port 0: any that is free."""

    host: str
    port: int
    explicit: bool = False

    def of_process(self, number: int) -> Listen:
        """The address of one process of several on a machine: the ports follow each other."""
        return self._replace(port=min(self.port + number, 65535) if self.port else 0)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ReplaySettings(NamedTuple):
    """What `python -m bytewax.run flows.replay:flow` is asked for; `flows.replaying.request` checks it."""

    name: str = DEFAULTS["DBWATCH_REPLAY_NAME"]
    until: str = DEFAULTS["DBWATCH_REPLAY_UNTIL"]
    into: str = DEFAULTS["DBWATCH_REPLAY_INTO"]
    until_snapshot: str = DEFAULTS["DBWATCH_REPLAY_UNTIL_SNAPSHOT"]


_METRICS = Listen("127.0.0.1", 9464)
_REPLAY = ReplaySettings()


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is told from outside. Addresses may hold passwords, so they are left out of `repr`.

    `archive` is what wins over the table of the file, see `connectors.archive.settings`; None when nothing was said.
    """

    mongo_uri: str = field(default=DEFAULTS["MONGO_URI"], repr=False)
    mongo_db: str = DEFAULTS["MONGO_DB"]
    redis_url: str = field(default=DEFAULTS["REDIS_URL"], repr=False)
    config_path: Path = Path(DEFAULTS["DBWATCH_CONFIG"])
    prefix: str = DEFAULTS["DBWATCH_PREFIX"]
    mongo_partitions: int = 1
    stream_shards: int = 1
    stream_maxlen: int = 100_000
    metrics: Listen | None = _METRICS
    archive: str | None = None
    replay: ReplaySettings = _REPLAY

    @property
    def keys(self) -> Keys:
        return Keys(self.prefix, self.stream_shards)

    @classmethod
    def load(cls, overrides: Mapping[str, str | None] | None = None, *, folder: Path | None = None) -> Settings:
        """Command line (`overrides`, by the names of `DEFAULTS`) over environment over `.env` in `folder` over default.

        Raises `ConfigError` for a value that is not of its kind.
        """
        dotenv = dotenv_values((folder or Path.cwd()) / ".env")
        given = {k: v for layer in (dotenv, os.environ, overrides or {}) for k, v in layer.items() if v is not None}
        value = {name: given.get(name) or default for name, default in DEFAULTS.items()}
        return cls(
            mongo_uri=_uri(value, "MONGO_URI", ("mongodb", "mongodb+srv")),
            mongo_db=_matching(value, "MONGO_DB", r'[^/\\. "$*<>:|?\0]{1,63}', "a MongoDB database name"),
            redis_url=_uri(value, "REDIS_URL", ("redis", "rediss", "unix")),
            config_path=Path(value["DBWATCH_CONFIG"]),
            prefix=_matching(value, "DBWATCH_PREFIX", r"[A-Za-z0-9_.:{}-]{1,64}", "letters, digits and _ . : { } -"),
            mongo_partitions=_count(value, "DBWATCH_MONGO_PARTITIONS", 64),
            stream_shards=_count(value, "DBWATCH_STREAM_SHARDS", 64),
            stream_maxlen=_count(value, "DBWATCH_STREAM_MAXLEN", 1 << 40),
            metrics=_listen(value, "DBWATCH_METRICS", explicit=bool(given.get("DBWATCH_METRICS"))),
            archive=value["DBWATCH_ARCHIVE"] or None,
            replay=ReplaySettings(**{name: value[f"DBWATCH_REPLAY_{name.upper()}"] for name in ReplaySettings._fields}),
        )

    def config_if_any(self) -> dict[str, Any]:
        """The parsed file, nothing when none was named and there is none; raises as `config` does otherwise."""
        unnamed = self.config_path == Path(DEFAULTS["DBWATCH_CONFIG"])
        return {} if unnamed and not self.config_path.exists() else self.config()

    def config(self) -> dict[str, Any]:
        """The parsed `dbwatch.toml`; raises `ConfigError` when it is missing or no TOML."""
        try:
            return tomllib.loads(self.config_path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise ConfigError(
                f"{self.config_path}: no such file; write one with `dbwatch init`, or name one in DBWATCH_CONFIG"
            ) from exc
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"{self.config_path}: cannot be read: {exc}") from exc
        except tomllib.TOMLDecodeError as exc:
            raise ConfigError(f"{self.config_path}: not valid TOML: {exc}") from exc


def hidden(uri: str) -> str:
    """An address for logs and messages: without user, password and query.

    Nothing of an address is shown when it cannot be told where its password ends.
    """
    scheme, found, rest = uri.partition("://")
    if not found or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return "(an address without ://)"
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    after = rest.removeprefix(host)
    if "@" in after:
        return f"{scheme}://(not shown)"
    return f"{scheme}://{host.rpartition('@')[2]}{re.split(r'[?#]', after, maxsplit=1)[0]}"


def _uri(value: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    scheme = value[name].partition("://")[0]
    if "://" not in value[name] or scheme not in schemes:
        raise ConfigError(
            f"{name}: expected an address that begins with {' or '.join(s + '://' for s in schemes)}, "
            f"found {hidden(value[name])[:60]!r}"
        )
    return value[name]


def _matching(value: Mapping[str, str], name: str, pattern: str, what: str) -> str:
    if not re.fullmatch(pattern, value[name]):
        raise ConfigError(f"{name}: expected {what}, found {value[name]!r}")
    return value[name]


def _count(value: Mapping[str, str], name: str, largest: int) -> int:
    try:
        number = int(value[name])
    except ValueError:
        number = 0
    if not 1 <= number <= largest:
        raise ConfigError(f"{name}: expected a whole number from 1 to {largest}, found {value[name]!r}")
    return number


def _listen(value: Mapping[str, str], name: str, *, explicit: bool) -> Listen | None:
    """`HOST:PORT`, an IPv6 host in brackets; None when it is `off`."""
    text = value[name].strip()
    if text.lower() == "off":
        return None
    host, _, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bare = ":" in host and not text.startswith("[")
    if not re.fullmatch(r"[A-Za-z0-9_.:%-]+", host) or bare or not re.fullmatch(r"\d{1,5}", port) or int(port) > 65535:
        raise ConfigError(
            f"{name}: expected HOST:PORT such as {DEFAULTS[name]} or [::1]:9464, or `off`, found {value[name]!r}"
        )
    return Listen(host, int(port), explicit)
