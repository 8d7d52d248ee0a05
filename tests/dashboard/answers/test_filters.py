"""What the filter's bar is told, with filters kept on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from connectors.accounts import Session
from connectors.errors import ConfigError
from connectors.redis_client import connect_async
from connectors.saved_filters import SavedFilters
from connectors.settings import Keys
from dashboard.answers import ANSWERS
from dashboard.asks import Ask
from dashboard.filters import FilterError


def _silent(_progress: object) -> None: ...


class Asker:
    """Asks one question after the other, as one visitor."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self.url = redis_url
        self.keys = Keys(prefix)

    def __call__(self, what: str, **args: object) -> Mapping[str, Any]:
        async def asked() -> object:
            client = connect_async(self.url)
            try:
                visitor = Session("id", "trinity", "viewer")
                return await ANSWERS[what].answer(Ask(visitor, args, client, self.keys, _silent))
            finally:
                await client.aclose()

        return cast("Mapping[str, Any]", asyncio.run(asked()))


@pytest.fixture
def ask(redis_url: str, prefix: str) -> Asker:
    return Asker(redis_url, prefix)


def test_a_text_is_understood_or_said_where_it_is_not(ask: Asker) -> None:
    assert ask("filter.check", text="matrix  op:u") == {
        "ok": True,
        "text": "matrix op:updated",
        "parts": [{"text": "matrix", "what": "text"}, {"text": "op:updated", "what": "op"}],
    }
    wrong = ask("filter.check", text="year >")
    assert (wrong["ok"], wrong["at"], wrong["found"], wrong["text"]) == (False, 6, "the end", "year >")
    assert wrong["message"].startswith("filter, column 7: expected a value")
    assert ask("filter.check", text="") == {"ok": True, "text": "", "parts": []}
    assert ask("filter.check", text="x" * 1_000_000)["message"].endswith("found 1,000,000")


def test_clicks_change_a_text(ask: Asker) -> None:
    def text(what: str, **args: object) -> str:
        return ask(what, **args)["text"]

    assert text("filter.add", text="matrix", path="year", value=1999) == "matrix year = 1999"
    assert text("filter.add", text="", path="year", value="1999", negate=True) == 'year != "1999"'
    assert text("filter.add", text="", path="year", shown="1999") == "year = 1999"
    assert text("filter.add", text="", path="n", json="9007199254740993") == "n = 9007199254740993"
    assert text("filter.add", text="", path="n", json='"a b"') == 'n = "a b"'
    assert text("filter.remove", text="a b c", index=1) == "a c"
    assert text("filter.turn", text="a b c", index=1) == "a -b c"


def test_the_last_filter_comes_back_unless_the_address_names_one(ask: Asker) -> None:
    assert ask("filter.begin", text=None)["text"] == ""
    ask("filter.keep", text="view:movies  matrix")
    assert ask("filter.begin", text=None)["text"] == "view:movies matrix"
    assert ask("filter.begin", text="op:d")["text"] == "op:deleted"
    assert ask("filter.begin", text="(")["ok"] is False
    ask("filter.keep", text="")
    assert ask("filter.begin", text=None)["text"] == ""


def test_a_last_filter_that_does_not_parse_any_more_is_none(ask: Asker, redis_url: str) -> None:
    async def write() -> None:
        client = connect_async(redis_url)
        await SavedFilters(client, ask.keys).set_last("trinity", "(")
        await client.aclose()

    asyncio.run(write())
    assert ask("filter.begin", text=None) == {"ok": True, "text": "", "parts": []}


def test_filters_are_saved_listed_and_deleted(ask: Asker) -> None:
    assert ask("filters.save", name=" good films ", text="imdb.rating>8")["filters"] == [
        {"name": "good films", "text": "imdb.rating > 8"}
    ]
    ask("filters.save", name="bad", text="imdb.rating<3")
    assert [saved["name"] for saved in ask("filters.list")["filters"]] == ["bad", "good films"]
    assert [saved["name"] for saved in ask("filters.delete", name="bad")["filters"]] == ["good films"]


@pytest.mark.parametrize(
    ("what", "args"),
    [
        ("filter.check", {}),
        ("filter.check", {"text": 5}),
        ("filter.check", {"text": None}),
        ("filter.begin", {"text": ["a"]}),
        ("filter.keep", {"text": "("}),
        ("filter.add", {"text": "", "path": 5, "value": 1}),
        ("filter.add", {"text": "(", "path": "a", "value": 1}),
        ("filter.add", {"text": "", "path": "a", "value": {"b": 1}}),
        ("filter.add", {"text": "", "path": "a", "shown": 5}),
        ("filter.add", {"text": "", "path": "a", "json": "{"}),
        ("filter.remove", {"text": "a", "index": "0"}),
        ("filter.turn", {"text": "a", "index": True}),
        ("filters.save", {"name": "", "text": "a"}),
        ("filters.save", {"name": "x", "text": "("}),
        ("filters.save", {"name": 5, "text": "a"}),
        ("filters.delete", {}),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(ask: Asker, what: str, args: Mapping[str, Any]) -> None:
    with pytest.raises((ConfigError, FilterError)) as error:
        ask(what, **args)
    assert "\n" not in str(error.value)
