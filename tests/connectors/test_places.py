"""Places in a feed of several streams, spans between them, and streams merged from either end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.places import Entry, Lanes, Place, Span

LARGEST = (1 << 64) - 1
STREAMS = 3
places = st.builds(Place, st.integers(0, 4), st.integers(0, 3), st.integers(0, STREAMS - 1))
ends = st.one_of(st.none(), places, st.builds(Place.moment, st.integers(0, 5)))


def within(place: Place, bounds: tuple[str, str] | None) -> bool:
    """Whether Redis would give it."""
    if bounds is None:
        return False
    low, high = bounds
    at = (place.ms, place.seq)
    from_low = low == "-" or (at > ends_of(low[1:]) if low.startswith("(") else at >= ends_of(low))
    return from_low and (high == "+" or (at < ends_of(high[1:]) if high.startswith("(") else at <= ends_of(high)))


def ends_of(entry_id: str) -> tuple[int, int]:
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq)


def test_a_place_is_written_as_the_address_of_its_record() -> None:
    place = Place.of(2, "1763760000000-7")
    assert str(place) == "2/1763760000000-7"
    assert Place.parse(str(place), streams=3) == place
    moment = Place.moment(1763760000000)
    assert str(moment) == "1763760000000"
    assert Place.parse(str(moment), streams=3) == moment
    assert moment.is_moment
    assert not place.is_moment


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no address"),
        ("1763760000000-7", "no address"),
        ("0/12", "no address"),
        ("0/1-2\n", "no address"),
        ("0/١-٢", "no address"),
        (f"0/{LARGEST + 1}-0", "no address"),
        (f"0/0-{LARGEST + 1}", "no address"),
        ("3/1-0", "the feed has 3"),
        ("0/1-0" + "9" * 100_000, "no address"),
    ],
)
def test_what_is_no_address_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        Place.parse(text, streams=3)
    assert len(str(refused.value)) < 200


def test_places_of_equal_ids_are_ordered_by_stream_and_a_moment_is_before_all_of_its_own() -> None:
    assert Place.of(0, "5-1") < Place.of(1, "5-1") < Place.of(0, "5-2")
    assert Place.of(2, "4-9") < Place.moment(5) < Place.of(0, "5-0")


@given(ends, ends, places)
def test_a_spans_bounds_hold_just_what_lies_between_its_ends(
    after: Place | None, before: Place | None, place: Place
) -> None:
    expected = (after is None or place > after) and (before is None or place < before)
    assert within(place, Span(after, before).bounds(place.stream)) == expected


def test_bounds_that_redis_takes_for_mistakes_are_empty() -> None:
    assert Span(before=Place.moment(0)).bounds(0) is None
    assert Span(after=Place(LARGEST, LARGEST, 0)).bounds(0) is None
    assert Span(after=Place(LARGEST, LARGEST, 0)).bounds(1) == (f"{LARGEST}-{LARGEST}", "+")


@given(
    st.lists(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=12), min_size=1, max_size=4),
    ends,
    ends,
    st.booleans(),
    st.lists(st.integers(1, 4), min_size=1),
)
def test_streams_read_in_any_pieces_come_merged_in_one_order_and_none_twice(
    streams: Sequence[set[tuple[int, int]]],
    after: Place | None,
    before: Place | None,
    newest_first: bool,
    pieces: Sequence[int],
) -> None:
    span = Span(after, before)
    lanes = Lanes(span, len(streams), newest_first=newest_first)
    got: list[Entry] = []
    for turn in range(1000):
        if lanes.done:
            break
        piece = pieces[turn % len(pieces)]
        for stream, left in lanes.hungry(piece).items():
            bounds = left.bounds(stream)
            there = sorted(Place(ms, seq, stream) for ms, seq in streams[stream])
            found = [place for place in there if within(place, bounds)]
            found = found[::-1][:piece] if newest_first else found[:piece]
            lanes.add(stream, [(place.id, {}) for place in found], more=len(found) == piece)
        got += lanes.ready()
    every = (Place(ms, seq, n) for n, ids in enumerate(streams) for ms, seq in ids)
    expected = sorted((p for p in every if within(p, span.bounds(p.stream))), reverse=newest_first)
    assert lanes.done
    assert [entry.place for entry in got] == expected
