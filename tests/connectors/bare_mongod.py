"""A `mongod` as it comes: a standalone server, or a member of a set that nobody has initiated."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from dbwatch import binaries
from tests.conftest import wait_until
from tests.ports import free_port


@contextmanager
def bare_mongod(folder: Path, *arguments: str) -> Generator[int]:
    """Start it with its data in `folder`, give its port, stop it."""
    port = free_port()
    place = ["--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    with (folder / "log").open("w") as log:
        program = binaries.mongod()
        environment = binaries.environment(program)
        process = subprocess.Popen([str(program), *place, *arguments], stdout=log, env=environment)
    try:
        with MongoClient[dict[str, Any]](port=port, directConnection=True, serverSelectionTimeoutMS=20_000) as client:
            client.admin.command("hello")
        yield port
    finally:
        process.terminate()
        process.wait()


def initiate(port: int) -> str:
    """Make it a replica set of one; gives its address once it is primary."""
    with MongoClient[dict[str, Any]](port=port, directConnection=True) as client:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]})
        wait_until(lambda: client.admin.command("hello")["isWritablePrimary"])
    return f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
