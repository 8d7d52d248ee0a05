"""The place of a row that is read again, as values; reading it is tried on real servers in tests/acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from connectors.changes import RETRIED
from connectors.mongo_events import before_position, position_text, quiet_position
from connectors.mongo_retries import pieces
from connectors.retries import Retry

EVENT, MARK = "2B022C0100296E", "2B0229296E"


def position(number: int) -> str:
    return position_text(Timestamp(1_700_000_000, number))


def token(number: int, kind: str = EVENT) -> RawBSONDocument:
    return RawBSONDocument(bson.encode({"_data": f"82{position(number).upper()}{kind}"}))


def event(number: int) -> RawBSONDocument:
    return RawBSONDocument(bson.encode({"_id": bson.decode(token(number).raw)}))


def number_of(raw: Mapping[str, Any]) -> int:
    return int(str(raw["_id"]["_data"])[10:18], 16)


@given(st.lists(st.integers(1, 40), unique=True).map(sorted), st.lists(st.integers(1, 40), max_size=4), st.data())
def test_a_row_read_again_has_the_same_place_wherever_batches_end(
    numbers: list[int], places: list[int], data: st.DataObject
) -> None:
    due = sorted((Retry(str(i), "c", "k", position(p)) for i, p in enumerate(places)), key=lambda r: r.position or "")
    emitted: list[str] = []
    left = numbers
    while left or due:
        size = data.draw(st.integers(0, len(left)))
        now, left = left[:size], left[size:]
        end = token(now[-1]) if now and left else token(left[0] if left else 99, MARK)
        for piece, retry in pieces([event(n) for n in now], end, due):
            emitted += [position(number_of(raw)) for raw in piece]
            if retry is not None:
                due = [other for other in due if other is not retry]
                emitted.append(f"{retry.position}{RETRIED}")
        if not left and size == 0 and due:
            assert all(r.position is not None and r.position >= position(99) for r in due)
            break
    assert emitted == sorted(emitted)
    assert len(emitted) == len(numbers) + len(places)


def test_a_retry_waits_while_it_is_not_certain_that_everything_before_it_has_come() -> None:
    retry = Retry("1-1", "c", "k", position(5))
    assert [r for _, r in pieces([event(3)], token(5), [retry])] == [None]
    assert [r for _, r in pieces([event(3)], None, [retry])] == [None]
    assert [r for _, r in pieces([], token(6, MARK), [retry])] == [retry, None]
    assert [r for _, r in pieces([event(3)], token(6), [retry])] == [retry, None]


def test_a_mark_promises_everything_before_its_time_and_an_event_nothing() -> None:
    assert quiet_position({"_data": str(token(5, MARK)["_data"])}) == position(4)
    assert quiet_position({"_data": str(token(5)["_data"])}) is None
    assert quiet_position({"_data": "other"}) is None
    assert before_position("6b0208b500000000") == "6b0208b4ffffffff"


def test_a_position_of_a_row_read_again_sorts_after_all_of_its_time_and_before_the_next() -> None:
    at = position(5)
    assert at < f"{at}.00000001" < f"{at}.ffffffff" < at + RETRIED < position(6)
