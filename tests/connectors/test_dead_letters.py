"""Dead letters as values: what identifies one, what stands in it, and what is left out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.changes import Change
from connectors.dead_letters import DeadLetter, error_text, event_text, letter_of_change
from connectors.errors import BadRecord

LETTER = DeadLetter("read", "films", "1", "c", "6b0208b500000001", 5, "cannot be decoded", "{}")


def test_a_letter_is_the_same_after_it_was_written() -> None:
    fields = LETTER.to_fields(at_ms=7)
    assert (fields["schema"], fields["at_ms"], fields["ts_ms"]) == ("1", "7", "5")
    assert DeadLetter.from_fields(fields) == LETTER


@pytest.mark.parametrize("spoil", [{"schema": "2"}, {"stage": "other"}, {"ts_ms": "x"}])
def test_an_entry_of_another_form_is_no_letter(spoil: dict[str, str]) -> None:
    with pytest.raises(BadRecord):
        DeadLetter.from_fields({**LETTER.to_fields(at_ms=7), **spoil})


def test_what_tells_letters_apart_is_not_how_it_went_wrong() -> None:
    assert LETTER.identity == LETTER._replace(error="other", ts_ms=6, event='{"a":1}').identity
    others = [{"stage": "join"}, {"collection": "users"}, {"key": "2"}, {"position": "6b0208b500000002"}]
    assert not [o for o in others if LETTER._replace(**o).identity == LETTER.identity]  # type: ignore[arg-type]
    nameless = LETTER._replace(key="")
    assert nameless.identity != nameless._replace(event='{"documentKey":1}').identity


def test_an_error_is_one_line_of_bounded_length_and_names_its_type_unless_it_is_ours() -> None:
    assert error_text(BadRecord("a\nb")) == "a b"
    assert error_text(ValueError("x")) == "ValueError: x"
    assert len(error_text(BadRecord("x" * 10_000))) == 500


@given(
    st.dictionaries(st.text(max_size=20).filter(lambda name: name != "omitted"), st.text(max_size=40_000), max_size=5)
)
def test_an_event_is_json_of_bounded_size_that_says_what_was_left_out(event: dict[str, str]) -> None:
    text = event_text(event)
    shown: dict[str, Any] = orjson.loads(text)
    omitted: dict[str, int] = shown.pop("omitted", {})
    assert len(text) <= 17_000
    assert all(event[name] == value for name, value in shown.items())
    assert {*shown, *omitted} == set(event)


def test_a_change_that_cannot_be_joined_shows_its_rows() -> None:
    change = Change("films", "1", "u", "p", 5, '{"n":1}', '{"n":2}', ("n",), {})
    letter = letter_of_change(change, ValueError("x"))
    assert letter[:7] == ("join", "films", "1", "u", "p", 5, "ValueError: x")
    assert orjson.loads(letter.event) == {"before": {"n": 1}, "after": {"n": 2}, "named": ["n"]}
    big = letter_of_change(change._replace(after='{"n":"' + "x" * 20_000 + '"}'), ValueError("x"))
    assert orjson.loads(big.event)["after"] == {"characters": 20_008}
