"""The flow is held back for as long as it takes."""

from __future__ import annotations

from connectors.ending import Ending
from connectors.errors import TransientError
from connectors.hold import Hold


class Hurried(Ending):
    """It is not waited; how long it would have been is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses_s: list[float] = []

    def wait(self, timeout_s: float) -> bool:
        self.pauses_s.append(timeout_s)
        return False


def test_a_server_that_is_away_for_hours_is_waited_for_with_the_longest_pause() -> None:
    ending, held = Hurried(), list[str | None]()
    hold = Hold("s", ending, on_held=held.append, on_retry=lambda: None)

    def call() -> str:
        if len(ending.pauses_s) < 5_000:
            raise TransientError("away")
        return "done"

    assert hold.until_done(call) == "done"
    assert held == ["away", None]
    assert max(ending.pauses_s) <= 5
    assert sum(ending.pauses_s) > 3 * 3600
