"""Ctrl-C and SIGTERM as a request to end."""

from __future__ import annotations

import os
import signal

import pytest

from dbwatch.signals import ending_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_requests_the_end_and_interrupts_nothing(number: signal.Signals) -> None:
    with ending_on_signals() as ending:
        os.kill(os.getpid(), number)
        assert ending.wait(5)
    assert ending.error is None


def test_a_second_ctrl_c_interrupts() -> None:
    with ending_on_signals(), pytest.raises(KeyboardInterrupt):  # noqa: PT012 both signals belong to it
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_the_former_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with ending_on_signals():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
