"""TLS in front of a server that has none: the embedded ones are built without it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.secured import make_certificates

_HOST = "127.0.0.1"


@contextmanager
def tls_relay(folder: Path, target_port: int, *, host: str = _HOST) -> Generator[int]:
    """Give the port of a relay that speaks TLS to clients and passes on what they say.

    `folder/ca.pem` vouches for it as 127.0.0.1 and localhost.
    """
    make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    with socket.create_server((host, 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, target_port), daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, context: ssl.SSLContext, target_port: int) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=_serve, args=(plain, context, target_port), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, target_port: int) -> None:
    """One request and its reply at a time, which is how a client without a pipeline talks."""
    with (
        plain,
        suppress(OSError),
        context.wrap_socket(plain, server_side=True) as client,
        socket.create_connection((_HOST, target_port)) as server,
    ):
        while request := client.recv(1 << 16):
            server.sendall(request)
            client.sendall(server.recv(1 << 16))
