"""No more is believed of a browser than it was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRecord
from connectors.stretches import Stretch
from dashboard.away.shown import Sent, positions_of, stretches_of, told_stretches

STREAMS = ("s:0", "s:1")


def sent() -> Sent:
    viewer = Sent(STREAMS)
    viewer.sent({"s:0": (5, 0), "s:1": (0, 0)})
    viewer.sent({"s:0": (9, 2), "s:1": (0, 0)})
    return viewer


def test_a_claim_counts_as_far_as_it_was_sent() -> None:
    assert sent().believed({"0": [["5-0", "7-0"]]}) == {"s:0": (Stretch((5, 0), (7, 0)),)}
    assert sent().believed({"0": [["0-0", "99-0"]], "1": [["0-0", "99-0"]]}) == {"s:0": (Stretch((5, 0), (9, 2)),)}
    assert sent().believed({"0": [["7-0", "6-0"], ["1-0", "4-0"]]}) == {}


def test_nothing_is_believed_of_who_was_sent_nothing() -> None:
    assert Sent(STREAMS).believed({"0": [["0-0", "99-0"]]}) == {}


def test_stretches_are_told_in_the_form_in_which_they_are_read() -> None:
    told = {"s:1": (Stretch((1, 0), (2, 7)), Stretch((4, 0), (5, 0))), "s:0": ()}
    assert stretches_of(told_stretches(told, STREAMS), STREAMS) == told


def test_positions_are_read_by_the_numbers_of_the_streams() -> None:
    assert positions_of({"1": "5-2", "0": "0-0"}, STREAMS) == {"s:1": (5, 2), "s:0": (0, 0)}
    others: list[object] = [[], {"2": "5-2"}, {"0": ["5-2"]}, {"0": None}, {"0": "x"}]
    for told in others:
        with pytest.raises(BadRecord):
            positions_of(told, STREAMS)


@pytest.mark.parametrize(
    "claim",
    [
        None,
        7,
        [],
        {"2": []},
        {0: []},
        {"0": None},
        {"0": [["1-0"]]},
        {"0": [["1-0", 5]]},
        {"0": [["1-0", "x"]]},
        {"0": [["1-0", "2-0"]] * 129},
        {"0": ["1-02-0"]},
    ],
)
def test_a_claim_of_another_form_is_refused_in_one_line(claim: Any) -> None:
    with pytest.raises(BadRecord) as refused:
        sent().believed(claim)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=20) | st.from_regex(r"[0-9]{1,20}-[0-9]{1,20}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["0", "1", "2"]), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_whatever_is_claimed_is_refused_or_within_what_was_sent(claim: Any) -> None:
    try:
        believed = sent().believed(claim)
    except BadRecord:
        return
    for stream, stretches in believed.items():
        assert stream == "s:0"
        assert all((5, 0) <= s.after < s.upto <= (9, 2) for s in stretches)
