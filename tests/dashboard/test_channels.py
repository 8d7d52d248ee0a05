"""What viewers with the same lens are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.records import Record, Versions
from connectors.stream_ids import Placed
from dashboard.channels import Channel
from dashboard.lenses import Lens
from dashboard.roles import Hidden
from dashboard.status import NEVER


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


def test_who_joins_later_gets_what_the_tables_hold_and_how_things_stand() -> None:
    channel = Channel(Lens(), ["s"])
    channel.filled([entry(1)], {"s": "1-0"})
    channel.tell(NEVER, None, None)
    said: list[str] = []
    channel.join(said.append)
    assert [json.loads(text)["type"] for text in said] == ["fill", "beat"]
    assert ids(said) == ["1-0"]
