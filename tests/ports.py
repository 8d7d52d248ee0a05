"""Ports for what the tests start themselves.

They lie below those that the system hands out by itself: a port that was asked for that way and is free again may be
given to another connection before a test's process listens on it, the more so while tests run side by side.
"""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
_FIRST, _LAST = 10_000, 30_000
_random = random.SystemRandom()  # one that no test seeds


def free_ports(count: int = 1, *, in_a_row: bool = False) -> list[int]:
    """Ports on which nothing listens now; they differ, and with `in_a_row` follow each other."""
    while True:
        first = _random.randrange(_FIRST, _LAST)
        ports = [first + i for i in range(count)] if in_a_row else _random.sample(range(_FIRST, _LAST), count)
        if _are_free(ports):
            return ports


def free_port() -> int:
    return free_ports()[0]


def _are_free(ports: list[int]) -> bool:
    with ExitStack() as stack:
        try:
            for port in ports:
                stack.enter_context(socket.socket()).bind((HOST, port))
        except OSError:
            return False
    return True
