"""Ports for what tests start."""

from __future__ import annotations

import socket

from tests.ports import HOST, free_ports


def test_the_ports_differ_and_can_be_had() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.create_server((HOST, port)):
            pass


def test_ports_in_a_row_follow_each_other() -> None:
    first, second, third = free_ports(3, in_a_row=True)
    assert (second, third) == (first + 1, first + 2)
