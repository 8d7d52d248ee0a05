"""Answers about what was missed, on a real server: what a browser may ask, and what it may not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from connectors.dead_letters import DeadLetter
from connectors.errors import DBWatchError
from connectors.records import Record, Versions
from connectors.redis_client import connect
from connectors.settings import Keys
from dashboard.access.roles import roles
from dashboard.answers import away
from tests.dashboard.asking import asked


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, shards=2)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def visited(redis_url: str, client: Redis, keys: Keys) -> None:
    """Somebody has been here, before nine records and a dead letter were written; of one nothing can be read."""
    client.xadd(keys.changes[0], {"older": "1"}, id="1-0")
    summary(redis_url, keys, {"0": "1-0", "1": "0-0"})
    for n in range(8):
        row = json.dumps({"title": f"Film {n}", "plot": "secret"})
        record = Record("movies", "c", f"k{n % 3}", 5, "p", Versions("p", {}), after=row)
        client.xadd(keys.changes[n % 3 % 2], {**record.to_fields()}, id=f"{10 + n}-0")
    client.xadd(keys.changes[1], {"schema": "9"}, id="20-0")
    letter = DeadLetter("join", "movies", "k", "u", "p", 1, "plot is secret", "{}")
    client.xadd(keys.deadletter, {**letter.to_fields(at_ms=1)}, id="12-0")


UP_TO = {"0": "16-0", "1": "20-0"}


def summary(redis_url: str, keys: Keys, up_to: object = UP_TO, **args: Any) -> Any:
    return asked(redis_url, keys, away.summary, {"upTo": up_to, **args})


def pages(redis_url: str, keys: Keys, missed: object, **told: Any) -> Iterator[Any]:
    after = None
    while True:
        page = asked(redis_url, keys, away.rows, {"missed": missed, "after": after, "count": 4}, **told)
        yield page
        if not page["more"]:
            return
        after = page["place"]


@pytest.mark.usefixtures("visited")
def test_what_was_missed_is_summed_up_paged_through_and_taken_for_seen(redis_url: str, keys: Keys) -> None:
    found = summary(redis_url, keys)
    assert (found["entries"], found["unreadable"], found["sinceMs"]) == (9, 1, 1)
    assert found["views"] == [{"view": "movies", "total": 8, "c": 8, "u": 0, "caused": 0, "d": 0, "r": 0}]
    assert [(row["key"], row["text"], row["changes"]) for row in found["rows"]] == [
        ("k0", "Film 6", 3),
        ("k1", "Film 7", 3),
        ("k2", "Film 5", 2),
    ]
    assert found["letters"]["total"] == 1
    assert found["gone"] == []
    rows = [row for page in pages(redis_url, keys, found["missed"]) for row in page["rows"]]
    assert [row["id"] for row in rows] == [f"{10 + n}-0" for n in range(8)] + ["20-0"]
    assert rows[-1]["unreadable"]
    first = {"missed": found["missed"], "upTo": "1/13-0"}
    assert asked(redis_url, keys, away.seen, first)
    assert summary(redis_url, keys)["entries"] == 5
    asked(redis_url, keys, away.seen, {"missed": found["missed"], "letters": found["lettersUpTo"]})
    rest = summary(redis_url, keys)
    assert (rest["entries"], rest["letters"]["total"], rest["missed"]) == (0, 0, {"0": [], "1": []})


@pytest.mark.usefixtures("visited")
def test_the_feed_ends_with_the_newest_entry_that_is_there(redis_url: str, client: Redis, keys: Keys) -> None:
    client.xdel(keys.changes[0], "16-0")
    assert asked(redis_url, keys, away.ends, {}) == {"0": "15-0", "1": "20-0"}
    client.delete(keys.changes[0])
    assert asked(redis_url, keys, away.ends, {}) == {"0": "0-0", "1": "20-0"}


@pytest.mark.usefixtures("visited")
def test_what_an_earlier_page_had_shown_is_not_told_again(redis_url: str, keys: Keys) -> None:
    found = summary(redis_url, keys, shown={"0": [["1-0", "14-0"]], "1": [["0-0", "99999999-0"]]})
    assert found["entries"] == 2
    assert found["missed"] == {"0": [["14-0", "16-0"]], "1": []}


@pytest.mark.usefixtures("visited")
def test_nobody_can_have_seen_what_is_not_written_yet(redis_url: str, client: Redis, keys: Keys) -> None:
    asked(redis_url, keys, away.seen, {"missed": {"0": [["0-0", "99999999-0"]]}, "letters": "99999999-0"})
    client.xadd(keys.changes[0], {"later": "1"}, id="100-0")
    client.xadd(keys.deadletter, {"stage": "join"}, id="100-0")
    found = summary(redis_url, keys, {"0": "100-0", "1": "0-0"})
    assert (found["entries"], found["letters"]["total"]) == (1, 1)


@pytest.mark.usefixtures("visited")
def test_what_a_role_may_not_see_is_in_no_answer(
    redis_url: str, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "dbwatch.toml"
    config.write_text('[views.movies]\n[roles.viewer]\nhide = ["movies.plot", "movies.title"]\n')
    monkeypatch.setenv("DBWATCH_CONFIG", str(config))
    roles.cache_clear()
    try:
        found = asked(redis_url, keys, away.summary, {"upTo": UP_TO}, role="viewer")
        told = json.dumps([found, *pages(redis_url, keys, found["missed"], role="viewer")])
    finally:
        roles.cache_clear()
    assert found["entries"] == 9
    assert "secret" not in told
    assert "Film" not in told


@pytest.mark.parametrize(
    ("answer", "args"),
    [
        (away.summary, {}),
        (away.summary, {"upTo": {"7": "1-0"}}),
        (away.summary, {"upTo": {"0": "x"}}),
        (away.summary, {"upTo": {"0": "1-0"}, "shown": 5}),
        (away.summary, {"upTo": {"0": "1-0"}, "shown": {"0": [["1-0"]]}}),
        (away.rows, {"count": 5}),
        (away.rows, {"missed": {}, "count": 0}),
        (away.rows, {"missed": {}, "count": 201}),
        (away.rows, {"missed": {}, "count": True}),
        (away.rows, {"missed": {}, "count": 5, "after": 7}),
        (away.rows, {"missed": {}, "count": 5, "after": "9/1-0"}),
        (away.rows, {"missed": {}, "count": 5, "after": "0/99999999999999999999-0"}),
        (away.rows, {"missed": {"0": [["1-0", "2-0"]] * 129}, "count": 5}),
        (away.seen, {}),
        (away.seen, {"missed": {}, "upTo": []}),
        (away.seen, {"missed": {}, "letters": "soon"}),
    ],
)
def test_arguments_of_another_form_are_refused_in_a_line(
    redis_url: str, keys: Keys, answer: Any, args: dict[str, Any]
) -> None:
    with pytest.raises(DBWatchError) as refused:
        asked(redis_url, keys, answer, args)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
