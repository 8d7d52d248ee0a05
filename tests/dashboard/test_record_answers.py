"""What the server answers about one record, from a real Valkey."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest
from redis import Redis

from connectors.accounts import Session
from connectors.errors import ConfigError
from connectors.records import LookupVersion, Record, Versions
from connectors.redis_client import connect_async
from connectors.settings import Keys
from dashboard.access.hidden import hidden_paths
from dashboard.access.roles import roles
from dashboard.answers import ANSWERS
from dashboard.asks import Ask
from dbwatch.valkey import Valkey

VISITOR = Session("id", "trinity", "viewer")


@pytest.fixture(scope="module")
def keys(keys: Keys) -> Keys:
    """Those of a feed of two streams."""
    return Keys(keys.prefix, shards=2)


@pytest.fixture(autouse=True)
def _empty(client: Redis, keys: Keys) -> None:
    client.delete(*keys.changes)


def write(client: Redis, keys: Keys, entry_id: str, *, stream: int = 0, **changes: Any) -> None:
    record = Record("movies", "c", "k1", 1_000, "p", Versions("p", {}), after='{"title":"Heat"}')._replace(**changes)
    client.xadd(keys.changes[stream], {**record.to_fields()}, id=entry_id)


def asked(valkey: Valkey, keys: Keys, what: str, **args: Any) -> Any:
    """The answer, as the browser gets it."""

    async def answer() -> object:
        redis = connect_async(valkey.uri)
        try:
            return await ANSWERS[what].answer(Ask(VISITOR, args, redis, keys, print))
        finally:
            await redis.aclose()

    return json.loads(orjson.dumps(asyncio.run(answer())))


def test_a_record_is_found_by_its_stream_and_id_and_by_its_address(valkey: Valkey, client: Redis, keys: Keys) -> None:
    write(client, keys, "1200-7", stream=1)
    found = asked(valkey, keys, "record", stream=1, id="1200-7")["detail"]
    assert (found["title"], found["address"], found["latency"]["ms"]) == ("Heat", "?record=1/1200-7", 200)
    assert asked(valkey, keys, "record", address="1/1200-7")["detail"]["id"] == "1200-7"


def test_a_record_that_is_not_there_is_told_with_the_range_that_is(valkey: Valkey, client: Redis, keys: Keys) -> None:
    assert asked(valkey, keys, "record", address="0/5-0")["missing"] == "empty"
    write(client, keys, "100-0")
    write(client, keys, "200-0")
    trimmed = asked(valkey, keys, "record", address="0/5-0")
    assert trimmed == {"missing": "trimmed", "address": "0/5-0", "oldestMs": 100, "newestMs": 200}
    assert asked(valkey, keys, "record", address="0/150-0")["missing"] == "none"


@pytest.mark.parametrize(
    ("what", "args"),
    [
        ("record", {}),
        ("record", {"address": 5}),
        ("record", {"stream": 2, "id": "1-0"}),
        ("record", {"stream": 0, "id": "99999999999999999999-0"}),
        ("record", {"stream": [0], "id": {"a": 1}}),
        ("record.part", {"address": "0/1-0"}),
        ("record.part", {"address": "0/1-0", "field": "after", "start": -1}),
        ("record.part", {"address": "0/1-0", "field": "after", "path": "x"}),
        ("record.part", {"address": "0/1-0", "field": "after", "path": [None]}),
        ("record.part", {"address": "0/1-0", "field": "after", "path": ["no such"]}),
        ("record.part", {"address": "0/1-0", "field": "none"}),
        ("record.part", {"address": "0/9-9", "field": "after"}),
        ("record.beside", {"address": "0/1-0"}),
        ("fan_out", {"view": "comments", "cause": 5, "position": "p"}),
        ("fan_out", {"view": "comments", "cause": "movie", "position": "x" * 5_000}),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    valkey: Valkey, client: Redis, keys: Keys, what: str, args: dict[str, Any]
) -> None:
    write(client, keys, "1-0")
    with pytest.raises(ConfigError) as refused:
        asked(valkey, keys, what, **args)
    assert "\n" not in str(refused.value)


def test_what_was_left_out_can_be_asked_for(valkey: Valkey, client: Redis, keys: Keys) -> None:
    text = "é" * 500_000 + "end"
    write(client, keys, "1-0", after=json.dumps({"list": [{"text": text}]}))
    got = ""
    while len(got) < len(text):
        part = asked(
            valkey, keys, "record.part", address="0/1-0", field="after", path=["list", 0, "text"], start=len(got)
        )
        got += part["text"]
    assert got == text
    raw = asked(valkey, keys, "record.part", address="0/1-0", field="after", start=10)
    assert raw["text"].startswith(json.dumps({"list": [{"text": text}]})[10:1000])


def test_the_neighbours_of_a_record_are_those_of_its_row(valkey: Valkey, client: Redis, keys: Keys) -> None:
    for n in range(1, 7):
        write(client, keys, f"{n}-0", key=f"k{n % 2}")

    def beside(address: str, *, newer: bool) -> tuple[str | None, str]:
        while True:  # as the page does: on a machine that stood still the time of one question may be over
            found = asked(valkey, keys, "record.beside", address=address, newer=newer, view="movies", key="k1")
            if found["stopped"] != "budget":
                return found["address"], found["stopped"]
            address = found["at"] or address

    assert beside("0/3-0", newer=True) == ("0/5-0", "full")
    assert beside("0/3-0", newer=False) == ("0/1-0", "full")
    assert beside("0/5-0", newer=True) == (None, "end")


def test_the_rows_of_a_fan_out_are_those_of_its_cause_position_and_view(
    valkey: Valkey, client: Redis, keys: Keys
) -> None:
    caused: dict[str, Any] = {
        "op": "u",
        "cause": "movie",
        "position": "p7",
        "view": "comments",
        "changed": (),
        "versions": Versions("p", {"movie": LookupVersion(1, "m", "p7")}),
    }
    for n in range(1, 11):
        write(client, keys, f"{n}-0", stream=n % 2, **(caused | {"key": f"k{n}"}))
    others: list[dict[str, Any]] = [{"cause": "user"}, {"position": "p8"}, {"view": "likes"}]
    for n, other in enumerate(others, start=20):
        write(client, keys, f"{n}-0", **(caused | other))
    wanted = {"view": "comments", "cause": "movie", "position": "p7", "fromMs": 1, "toMs": 100}
    first = asked(valkey, keys, "fan_out", **wanted, count=6)
    rest = asked(valkey, keys, "fan_out", **wanted, count=6, before=first["older"])
    assert [row["key"] for page in (first, rest) for row in page["rows"]] == [f"k{n}" for n in range(10, 0, -1)]
    assert (first["stopped"], rest["stopped"]) == ("full", "end")


def test_what_a_role_may_not_see_is_in_no_answer(
    valkey: Valkey, client: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    config = tmp_path / "dbwatch.toml"
    config.write_text('[views.movies]\n\n[roles.viewer]\nhide = ["movies.secret"]\n', encoding="utf-8")
    monkeypatch.setenv("DBWATCH_CONFIG", str(config))
    roles.cache_clear()
    try:
        assert hidden_paths("viewer")
        write(client, keys, "1-0", after='{"title":"Heat","secret":"rosebud"}')
        assert "rosebud" not in json.dumps(asked(valkey, keys, "record", address="0/1-0"))
        assert "rosebud" not in json.dumps(asked(valkey, keys, "record.part", address="0/1-0", field="after"))
        with pytest.raises(ConfigError):
            asked(valkey, keys, "record.part", address="0/1-0", field="after", path=["secret"])
    finally:
        roles.cache_clear()
