"""The embedded servers together: MongoDB and Valkey below one folder, started once and shared."""

from __future__ import annotations

import fcntl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from connectors.errors import ConfigError
from dbwatch.mongod import Mongod
from dbwatch.valkey import Valkey

_SHARED_TIMEOUT_S = 60.0
_POLL_S = 0.1


class Addresses(NamedTuple):
    """Where the servers listen, as `MONGO_URI` and `REDIS_URL` want it."""

    mongo_uri: str
    redis_url: str


class Servers:
    """MongoDB and Valkey with their data below `folder`; a context manager that starts and stops them.

    One process owns a folder's servers, and only it stops them. A second one that starts them meanwhile shares them. If
    the owner was killed they go on, and the next one to start them owns them.
    """

    def __init__(self, folder: Path, *, mongo_port: int = 0, redis_port: int = 0) -> None:
        """A port is taken when it is free; 0 means any."""
        self.folder = folder
        self.mongod = Mongod(folder, preferred_port=mongo_port)
        self.valkey = Valkey(folder, preferred_port=redis_port)
        self._lock: IO[str] | None = None

    @property
    def owned(self) -> bool:
        """Whether `stop` will stop them."""
        return self._lock is not None

    def start(self) -> Addresses:
        """Return when both are ready. Raises `ConfigError` when one cannot be started."""
        deadline = time.monotonic() + _SHARED_TIMEOUT_S
        while not self._own():
            if self._share():
                return self._addresses()
            if time.monotonic() > deadline:
                raise ConfigError(f"{self.folder}: another process holds its servers, and they do not answer")
            time.sleep(_POLL_S)
        try:
            with ThreadPoolExecutor(2) as pool:
                for done in [pool.submit(server.start) for server in (self.mongod, self.valkey)]:
                    done.result()
        except BaseException:
            self.stop()
            raise
        return self._addresses()

    def stop(self) -> None:
        """Stop both, if this process owns them."""
        if self._lock is None:
            return
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(server.stop) for server in (self.mongod, self.valkey)]:
                done.result()
        self._lock.close()
        self._lock = None

    def __enter__(self) -> Addresses:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _own(self) -> bool:
        """Take the folder's lock, which the system releases whatever becomes of its holder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "servers.lock").open("w", encoding="ascii")
        except OSError as exc:
            raise ConfigError(f"{self.folder}: the servers' folder cannot be used: {exc.strerror}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def _share(self) -> bool:
        return self.mongod.found() and self.valkey.found()

    def _addresses(self) -> Addresses:
        return Addresses(self.mongod.uri, self.valkey.uri)
