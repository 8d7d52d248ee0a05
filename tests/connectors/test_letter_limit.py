"""How many letters within a minute stop the job."""

from __future__ import annotations

import pytest

from connectors.dead_letters import DeadLetter
from connectors.errors import TooManyLetters
from connectors.letter_limit import LetterLimit

LETTER = DeadLetter("read", "films", "1", "c", "p", 5, "cannot be decoded", "{}")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_more_than_the_limit_within_a_minute_is_too_many() -> None:
    clock = Clock()
    limit = LetterLimit(3, clock=clock)
    assert limit.add([LETTER] * 3) is None
    clock.now_s += 59
    error = limit.add([LETTER])
    assert isinstance(error, TooManyLetters)
    assert error.exit_status == 3
    for part in ("4 changes within 59 s", "dead_letters_per_minute = 3", "films 1: cannot be decoded", "start the job"):
        assert part in str(error)


def test_letters_of_an_earlier_minute_do_not_count() -> None:
    clock = Clock()
    limit = LetterLimit(3, clock=clock)
    for _ in range(10):
        assert limit.add([LETTER] * 3) is None
        clock.now_s += 60


@pytest.mark.parametrize("count", [0, 1])
def test_with_a_limit_of_0_the_first_is_one_too_many(count: int) -> None:
    error = LetterLimit(0).add([LETTER] * count)
    assert (error is None) == (count == 0)
    assert error is None or str(error).startswith("1 change could not be read, joined or written")
