"""The servers of a run: shared where they take long to start, private where a fault breaks them for good."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from dbwatch import binaries
from dbwatch.mongod import Mongod
from dbwatch.server import HOST
from dbwatch.valkey import Valkey
from tests.acceptance.oracle import Document
from tests.faults.proxy import Proxy
from tests.faults.setup import MongoKind

FLOW = b"dbwatch"
"""What the job's connections say of themselves in their first bytes."""

_ELECTION_MS = 1500
_TIMEOUT_S = 60.0


def of_the_flow(label: bytes) -> bool:
    """Whether a connection to MongoDB is the job's, by its first bytes."""
    return FLOW in label


class Member(Mongod):
    """One of three; whoever starts it makes the set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)

    def _command(self) -> list[str]:
        data = self.folder / "mongod"
        data.mkdir(exist_ok=True)
        return [
            str(binaries.mongod()),
            *("--dbpath", str(data), "--logpath", str(self.log_path), "--logappend"),
            *("--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"),
            *("--replSet", "rs3", "--oplogSize", "128", "--wiredTigerCacheSizeGB", "0.25"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "enableTestCommands=1"),
        ]

    def _settle(self) -> None:
        """Alone it is nothing."""


class ShortMemory(Mongod):
    """A replica set of one whose oplog is smaller than an embedded one's."""

    def __init__(self, folder: Path, extra_args: list[str], oplog_mb: int) -> None:
        super().__init__(folder, extra_args=extra_args)
        self._oplog_mb = oplog_mb

    def _command(self) -> list[str]:
        command = super()._command()
        command[command.index("--oplogSize") + 1] = str(self._oplog_mb)
        return command


class MongoPlace(ABC):
    """A replica set behind proxies: the job meets it only through them, the workload directly where it can.

    `proxies` has one for each member. A context manager.
    """

    def __init__(self) -> None:
        self.proxies: list[Proxy] = []
        self.members: list[Mongod] = []
        self._stack = ExitStack()

    def __enter__(self) -> MongoPlace:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    @abstractmethod
    def flow_uri(self) -> str:
        """The address that the job is given."""

    @property
    @abstractmethod
    def uri(self) -> str:
        """The address that everybody else uses."""

    def heal(self) -> None:
        """Let everyone through again, and everyone run."""
        for proxy in self.proxies:
            proxy.refuse(None)
        for member in self.members:
            if not member.is_running():
                member.start()

    def cut_flow(self, *, lasting: bool) -> int:
        """Cut the job's connections; `lasting`: none comes through until `heal`."""
        count = sum(proxy.cut(of_the_flow) for proxy in self.proxies)
        if lasting:
            for proxy in self.proxies:
                proxy.refuse(of_the_flow)
        return count


class OneMember(MongoPlace):
    """A replica set of one."""

    def __init__(self, folder: Path, extra_args: list[str] | None = None, *, oplog_mb: int = 0) -> None:
        super().__init__()
        member = ShortMemory(folder, extra_args or [], oplog_mb) if oplog_mb else Mongod(folder)
        self.members = [member]
        self._stack.callback(member.stop)
        member.start()
        self.proxies = [self._stack.enter_context(Proxy(lambda: member.port))]

    @property
    def flow_uri(self) -> str:
        return f"mongodb://{HOST}:{self.proxies[0].port}/?directConnection=true"

    @property
    def uri(self) -> str:
        return self.members[0].uri


class ThreeMembers(MongoPlace):
    """A replica set of three. Its members know each other, and are known, by the addresses of proxies, which tell the
    job's connections from all others.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        for i in range(3):
            member = Member(folder / str(i))
            self.members.append(member)
            self._stack.callback(member.kill)  # asked to end, a primary waits 15 s; the data is for nobody
            member.start()
            self.proxies.append(self._stack.enter_context(Proxy(_port_of(member))))
        members: list[Document] = [
            {"_id": i, "host": f"{HOST}:{proxy.port}", "priority": 1} for i, proxy in enumerate(self.proxies)
        ]
        config: Document = {
            "_id": "rs3",
            "members": members,
            "settings": {"electionTimeoutMillis": _ELECTION_MS, "heartbeatIntervalMillis": 300},
        }
        with self.members[0].client() as client:
            client.admin.command("replSetInitiate", config)
        self.primary()

    @property
    def flow_uri(self) -> str:
        hosts = ",".join(f"{HOST}:{proxy.port}" for proxy in self.proxies)
        return f"mongodb://{hosts}/?replicaSet=rs3"

    @property
    def uri(self) -> str:
        return self.flow_uri

    def primary(self, *, other_than: Mongod | None = None) -> Mongod:
        """The member that takes writes; waits until there is one, or another one."""
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            for member in self.members:
                if member is other_than or not member.is_running():
                    continue
                if self._says(member).get("isWritablePrimary"):
                    return member
            time.sleep(0.05)
        raise TimeoutError("no member of the replica set became primary")

    def heal(self) -> None:
        super().heal()
        self.primary()
        deadline = time.monotonic() + _TIMEOUT_S
        while not all(self._is_well(member) for member in self.members):
            if time.monotonic() > deadline:
                raise TimeoutError("the replica set did not become whole again")
            time.sleep(0.05)

    def _is_well(self, member: Mongod) -> bool:
        said = self._says(member)
        return bool(said.get("isWritablePrimary") or said.get("secondary"))

    def _says(self, member: Mongod) -> dict[str, Any]:
        try:
            with member.client() as client:
                return client.admin.command("hello")
        except PyMongoError:
            return {}


def _port_of(member: Mongod) -> Callable[[], int]:
    return lambda: member.port


class Servers:
    """Starts what is asked for, keeps what is shared; a context manager that stops all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._shared: dict[str, MongoPlace] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def mongo(
        self, kind: MongoKind, stack: ExitStack, folder: Path, extra_args: list[str], *, oplog_mb: int = 0
    ) -> MongoPlace:
        """A replica set; one of the round's own ends with `stack`, and may have a short oplog."""
        if kind == "own":
            return stack.enter_context(OneMember(folder / "mongo", extra_args, oplog_mb=oplog_mb))
        if kind not in self._shared:
            place = OneMember(self._folder / "one") if kind == "one" else ThreeMembers(self._folder / "three")
            self._shared[kind] = self._stack.enter_context(place)
        return self._shared[kind]

    def redis(self, kind: str, stack: ExitStack, folder: Path, extra_args: list[str]) -> Valkey:
        """A server of its own for each round: it takes no time."""
        server = Valkey(folder / "redis", program=binaries.redis() if kind == "redis" else None, extra_args=extra_args)
        stack.callback(server.stop)
        server.start()
        return server
