"""What viewers with the same lens are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from connectors.records import Record, Versions
from connectors.stream_ids import Placed
from dashboard.access.roles import Hidden
from dashboard.filters import FilterError
from dashboard.health.status import NEVER
from dashboard.live.channels import Channel
from dashboard.live.lenses import Lens, lens_of


def entry(n: int) -> Placed[Mapping[str, str]]:
    record = Record("movies", "c", f"k{n}", 1000 + n, f"p{n}", Versions(f"p{n}", {}), after='{"title":"Heat"}')
    return Placed("s", f"{n}-0", record.to_fields())


def ids(said: list[str]) -> list[str]:
    messages: list[dict[str, Any]] = [json.loads(text) for text in said]
    return [row["id"] for message in messages for row in message.get("rows", [])]


def test_what_comes_while_a_channel_is_filled_is_in_its_tables_once() -> None:
    said: list[str] = []
    channel = Channel(Lens(), ["s"])
    channel.join(said.append)
    channel.take([entry(3)], {"s": "3-0"}, capped=False)
    assert said == []
    channel.filled([entry(1), entry(2)], {"s": "2-0"})
    channel.take([entry(4)], {"s": "4-0"}, capped=False)
    assert ids(said) == ["1-0", "2-0", "3-0", "4-0"]
    assert json.loads(said[0])["upTo"] == {"s": "3-0"}


def test_what_a_role_may_not_see_is_taken_out_before_it_is_told() -> None:
    said: list[str] = []
    channel = Channel(Lens(hidden=frozenset((Hidden("movies", "title"),))), ["s"])
    channel.join(said.append)
    channel.filled([entry(1)], {"s": "1-0"})
    channel.take([entry(2)], {"s": "2-0"}, capped=False)
    assert ids(said) == ["1-0", "2-0"]
    assert "Heat" not in "".join(said)


def test_a_filter_keeps_back_what_it_does_not_let_through_and_never_sees_what_is_hidden() -> None:
    said: list[str] = []
    channel = Channel(lens_of("key:k1 or key:k4", "admin"), ["s"])
    channel.join(said.append)
    channel.filled([entry(1), entry(2)], {"s": "2-0"})
    channel.take([entry(3), entry(4)], {"s": "4-0"}, capped=False)
    assert ids(said) == ["1-0", "4-0"]
    assert json.loads(said[0])["filter"] == "key:k1 or key:k4"
    hidden = frozenset((Hidden("movies", "title"),))
    assert len(Lens("title ~ heat").seen([entry(1)])) == 1
    assert Lens("title ~ heat", hidden).seen([entry(1)]) == []


def test_two_texts_of_one_filter_are_one_lens() -> None:
    assert lens_of("  year>5   view:movies", "viewer") == lens_of("year > 5 AND view:movies", "viewer")
    with pytest.raises(FilterError):
        lens_of("year >", "viewer")


def test_who_joins_later_gets_what_the_tables_hold_and_how_things_stand() -> None:
    channel = Channel(Lens(), ["s"])
    channel.filled([entry(1)], {"s": "1-0"})
    channel.tell(NEVER, None, None)
    said: list[str] = []
    channel.join(said.append)
    assert [json.loads(text)["type"] for text in said] == ["fill", "beat"]
    assert ids(said) == ["1-0"]
