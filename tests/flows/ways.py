"""The two ways in which one worker can join: in one step, as it does by itself, or in the stages of several workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

_IN_STAGES = [False]


@pytest.fixture(params=[False, True], ids=["at once", "in stages"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test that uses it runs in both."""
    _IN_STAGES.append(request.param)
    yield
    _IN_STAGES.pop()


def in_stages() -> bool:
    """Which of them is the test's."""
    return _IN_STAGES[-1]
