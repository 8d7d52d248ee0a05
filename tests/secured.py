"""A `mongod` that asks its clients for a password and for TLS, with certificates made for the occasion."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pymongo import MongoClient

from dbwatch.mongod import REPLICA_SET, Mongod
from dbwatch.server import HOST

USER = "watcher"
PASSWORD = "p@ss:word/1"
_QUOTED_PASSWORD = "p%40ss%3Aword%2F1"


class SecuredMongod(Mongod):
    """With `auth` its one user, `USER` with `PASSWORD`, is root; with `tls` the authority's file is `ca_path`."""

    def __init__(self, folder: Path, *, auth: bool, tls: bool, extra_args: Sequence[str] = ()) -> None:
        self._auth = auth
        self.ca_path = folder / "ca.pem"
        arguments: list[str] = list(extra_args)
        options: dict[str, Any] = {}
        if tls:
            make_certificates(folder)
            arguments += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(folder / "server.pem")]
            arguments += ["--tlsCAFile", str(self.ca_path), "--tlsAllowConnectionsWithoutCertificates"]
            options = {"tls": True, "tlsCAFile": str(self.ca_path)}
        if auth:
            key = folder / "keyfile"
            if not key.exists():
                key.write_text(secrets.token_hex(128), encoding="ascii")
                key.chmod(0o600)
            arguments += ["--keyFile", str(key)]
        self._user_made = folder / "user-made"
        super().__init__(folder, extra_args=arguments, client_options=options)
        if self._user_made.exists():
            self._sign_in()

    @property
    def uri(self) -> str:
        """With user, password and TLS options, as `MONGO_URI` takes it."""
        user = f"{USER}:{_QUOTED_PASSWORD}@" if self._auth else ""
        options = {"replicaSet": REPLICA_SET, **({"authSource": "admin"} if self._auth else {})}
        if "tls" in self.client_options:
            options |= {"tls": "true", "tlsCAFile": str(self.ca_path)}
        return f"mongodb://{user}{HOST}:{self.port}/?{urlencode(options)}"

    def root(self) -> MongoClient[dict[str, Any]]:
        """A client that may do everything."""
        return MongoClient(self.uri, serverSelectionTimeoutMS=10_000)

    def _settle(self) -> None:
        super()._settle()
        if self._auth and not self._user_made.exists():
            with self.client() as client:  # the first user may be made without one, from this machine
                client.admin.command("createUser", USER, pwd=PASSWORD, roles=["root"])
            self._user_made.touch()
            self._sign_in()

    def _sign_in(self) -> None:
        self.client_options |= {"username": USER, "password": PASSWORD, "authSource": "admin"}


def make_certificates(folder: Path) -> None:
    """An authority `ca.pem` and a server's certificate with its key, `server.pem`, for 127.0.0.1 and localhost."""
    if (folder / "server.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    extensions = folder / "server.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n")
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test-authority -keyout ca.key -out ca.pem")
    _openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr")
    signing = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext"
    _openssl(folder, f"x509 -req -in server.csr {signing} -out server.crt")
    (folder / "server.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)
