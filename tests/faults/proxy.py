"""A TCP proxy on loopback that can be told what to do with what passes: cut it, halve it, lose it, let no one in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

_CHUNK = 1 << 16


class Verdict(Enum):
    """What becomes of what came in."""

    PASS = "pass"
    HALVE = "halve"  # the first half is passed on, then both sides are cut
    CUT = "cut"  # nothing is passed on, both sides are cut


class Trap:
    """Decides about what passes. The base lets everything pass.

    `request` is asked for every chunk from a client, `reply` for every chunk from the server; each may be asked by
    several threads at once. `sprung` is set when it did what it is for.
    """

    def __init__(self) -> None:
        self.sprung = threading.Event()

    def request(self, link: Link, data: bytes) -> Verdict:
        return Verdict.PASS

    def reply(self, link: Link, data: bytes) -> Verdict:
        return Verdict.PASS


class Link:
    """One client's connection to the server, and what it was told from first to last."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.label = b""
        self.marked = False

    def cut(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                end.close()


class Proxy:
    """Listens on a port of its own and forwards to `target`; a context manager. Thread-safe."""

    def __init__(self, target: Callable[[], int], *, port: int = 0) -> None:
        """`target` gives the server's port on loopback, asked anew for each connection."""
        self._target = target
        self._trap = Trap()
        self._lock = threading.Lock()
        self._links: set[Link] = set()
        self._refused: Callable[[bytes], bool] = lambda _: False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name=f"proxy {self.port}", daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def set(self, trap: Trap | None) -> None:
        """From now on this trap decides; None: everything passes."""
        self._trap = trap or Trap()

    def cut(self, whose: Callable[[bytes], bool] = lambda _: True) -> int:
        """Cut the connections whose first bytes are such; returns how many there were."""
        with self._lock:
            links = [link for link in self._links if whose(link.label)]
        for link in links:
            link.cut()
        return len(links)

    def refuse(self, whose: Callable[[bytes], bool] | None) -> None:
        """Cut those whose first bytes are such, now and whenever they come again; None lets all in again."""
        self._refused = whose or (lambda _: False)
        if whose is not None:
            self.cut(whose)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target()), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        with self._lock:
            self._links.add(link)
        back = threading.Thread(target=self._pump, args=(link, server, client), daemon=True)
        back.start()
        self._pump(link, client, server)
        back.join()
        with self._lock:
            self._links.discard(link)

    def _pump(self, link: Link, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                verdict = self._judged(link, data, from_client=source is link.client)
                if verdict is Verdict.PASS:
                    target.sendall(data)
                    continue
                if verdict is Verdict.HALVE:
                    target.sendall(data[: len(data) // 2])
                break
        link.cut()

    def _judged(self, link: Link, data: bytes, *, from_client: bool) -> Verdict:
        if not from_client:
            return self._trap.reply(link, data)
        link.label = link.label or data[:512]
        return Verdict.CUT if self._refused(link.label) else self._trap.request(link, data)
