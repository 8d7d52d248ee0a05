"""One thing is done while the next is made ready, and what it raises is not lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from connectors.one_ahead import OneAhead


@pytest.fixture
def ahead() -> Iterator[OneAhead]:
    made = OneAhead("test")
    yield made
    made.end()


def test_the_caller_goes_on_while_the_work_is_done(ahead: OneAhead) -> None:
    go_on = threading.Event()
    done: list[str] = []

    def work() -> None:
        assert go_on.wait(10)
        done.append("first")

    ahead.start(work)
    assert not done  # we are here, and it waits for us
    go_on.set()
    ahead.wait()
    assert done == ["first"]


def test_works_are_done_one_after_the_other_in_order(ahead: OneAhead) -> None:
    running: list[int] = []
    seen: list[tuple[int, int]] = []

    def work(number: int) -> None:
        running.append(number)
        seen.append((number, len(running)))
        running.remove(number)

    for number in range(200):
        ahead.start(lambda number=number: work(number))
    ahead.wait()
    assert seen == [(number, 1) for number in range(200)]


def test_what_a_work_raises_comes_with_the_next_call_and_once(ahead: OneAhead) -> None:
    def work() -> None:
        raise ValueError("no")

    ahead.start(work)
    with pytest.raises(ValueError, match="no"):
        ahead.start(lambda: pytest.fail("begun all the same"))
    ahead.wait()


def test_the_end_waits_and_may_come_more_than_once_or_first(ahead: OneAhead) -> None:
    done: list[int] = []
    ahead.end()
    ahead.start(lambda: done.append(1))
    ahead.end()
    assert done == [1]
    ahead.end()
    assert not [t for t in threading.enumerate() if t.name == "test"]
