"""The clocks of the flow's processes against Redis's."""

from __future__ import annotations

from dashboard.health.clocks import Clocks
from dashboard.health.figures import Second


def second(process: str, ahead_ms: int) -> Second:
    return Second(1000, ahead_ms, process, 1.0, {}, None)


def test_the_last_difference_of_each_process_counts_and_stays_known() -> None:
    clocks = Clocks()
    clocks.add([second("0", 5), second("1", -3000), second("0", 40)])
    clocks.add([])
    assert clocks.ahead_ms == {"0": 40, "1": -3000}


def test_however_many_processes_are_named_few_are_remembered_and_those_that_spoke_last() -> None:
    clocks = Clocks()
    clocks.add([second("0", 7)])
    for number in range(1, 1000):
        clocks.add([second(str(number), 1), second("0", 7)])
    assert len(clocks.ahead_ms) <= 256
    assert clocks.ahead_ms["0"] == 7
