"""Exports: files that spreadsheets and programs read back as what was in the feed."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.places import Entry, Place
from connectors.records import LookupVersion, Record, Versions
from dashboard.history.exports import (
    COLUMNS,
    CsvFile,
    JsonLines,
    Order,
    Progress,
    file_of,
    guarded,
    limit_reached,
    share_of,
)
from dashboard.history.pages import Chosen

STREAMS = ("p:changes:0", "p:changes:1")
PLACE = Place(1_763_760_000_123, 4, 1)


def entry(op: Any = "u", **changes: Any) -> Entry:
    record = Record("movies", op, "k", 1_763_760_000_000, "p", Versions("p", {}))
    rows = {"before": '{"title":"Heet","year":1995}', "after": '{"title":"Heat","year":1995}', "changed": ("title",)}
    return Entry(PLACE, record._replace(**{**rows, **changes}).to_fields())


def cells(*entries: Entry) -> list[dict[str, str]]:
    file = CsvFile(STREAMS)
    return list(csv.DictReader(io.StringIO(file.head() + "".join(map(file.row, entries)), newline=""), strict=True))


def test_a_line_of_csv_tells_the_record_in_words_and_whole() -> None:
    (row,) = cells(entry(cause="movie"))
    assert row == {
        "committed": "2025-11-21T21:20:00.000Z",
        "written": "2025-11-21T21:20:00.123Z",
        "view": "movies",
        "op": "u",
        "key": "k",
        "row": "Heat (1995)",
        "changes": "title: Heet → Heat",
        "cause": "movie",
        "after": '{"title":"Heat","year":1995}',
        "before": '{"title":"Heet","year":1995}',
        "changed": '["title"]',
        "ts_ms": "1763760000000",
        "position": "p",
        "versions": '{"row":"p"}',
        "stream": "p:changes:1",
        "id": "1763760000123-4",
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\t", "\r", " ="])
def test_no_cell_is_run_as_a_formula(start: str) -> None:
    evil = f'{start}HYPERLINK("http://example.org","x")'
    (row,) = cells(entry(after=json.dumps({"title": evil}), view=evil, key=evil, cause=evil))
    for name in ("view", "key", "cause"):
        assert row[name] == "'" + evil
    assert row["row"][:1] not in "=+-@\uff1d\t\r "
    assert json.loads(row["after"]) == {"title": evil}


@given(st.lists(st.text(), min_size=1))
def test_csv_gives_back_every_text_but_for_the_guard(texts: list[str]) -> None:
    rows = cells(*(entry(key=text) for text in texts))
    assert [row["key"] for row in rows] == [guarded(text) for text in texts]


def test_csv_lines_end_as_the_standard_says_and_have_equal_cells() -> None:
    file = CsvFile(STREAMS)
    text = file.head() + file.row(entry(key='a,"b"\r\nc')) + file.cut_off("cut off, because")
    assert text.replace('\r\nc"', "").count("\r\n") == text.replace('\r\nc"', "").count("\n") == 3
    assert [len(row) for row in csv.reader(io.StringIO(text, newline=""))] == [len(COLUMNS)] * 3
    assert text.splitlines()[-1].startswith('"cut off, because",')


def test_a_line_of_json_holds_the_record_as_values_with_all_digits() -> None:
    versions = Versions("p", {"movie": LookupVersion(2, None, None)})
    line = JsonLines(STREAMS).row(entry(after='{"n":12345678901234567890123,"f":0.10}', versions=versions))
    assert '"after":{"n":12345678901234567890123,"f":0.10}' in line
    value = json.loads(line)
    assert value["stream"] == "p:changes:1"
    assert value["id"] == PLACE.id
    assert value["versions"] == {"row": "p", "movie": [2, None, None]}
    assert (value["changed"], value["ts_ms"], value["op"]) == (["title"], 1_763_760_000_000, "u")


@given(st.dictionaries(st.text(), st.text()))
def test_anything_in_the_stream_is_one_line_of_json(fields: dict[str, str]) -> None:
    pretty = {**fields, "after": '{\n "a": 1}', "before": "{no json\n", "ts_ms": "٣"}
    text = "".join(map(JsonLines(STREAMS).row, (Entry(PLACE, pretty), Entry(PLACE, fields))))
    lines = text.removesuffix("\n").split("\n")
    first, second = map(orjson.loads, lines)
    assert (first["after"], first["before"], first["ts_ms"]) == ({"a": 1}, "{no json\n", "٣")
    assert {name: second[name] for name in fields if name not in ("stream", "id")}.keys() <= second.keys()
    assert len(list(csv.reader(io.StringIO(CsvFile(STREAMS).row(Entry(PLACE, pretty)), newline="")))) == 1


def test_a_file_that_was_cut_off_says_why_in_its_last_line() -> None:
    why = limit_reached(10_000, "viewer", PLACE)
    assert "10,000 rows" in why
    assert str(PLACE) in why
    assert json.loads(JsonLines(STREAMS).cut_off(why)) == {"cut_off": why}


def test_an_order_is_read_back_as_it_was_given() -> None:
    order = Order("jsonl", Chosen("year > 1990", "movies", "k", 5, 9), newest_first=False)
    assert Order.parse(json.loads(json.dumps(order.to_args()))) == order
    assert Order.parse({"format": "csv"}) == Order("csv", Chosen())
    assert isinstance(file_of(order, STREAMS), JsonLines)
    assert isinstance(file_of(Order("csv", Chosen()), STREAMS), CsvFile)


@pytest.mark.parametrize("args", [{}, {"format": "exe"}, {"format": ["csv"]}, {"format": "csv", "newestFirst": "no"}])
def test_an_order_of_another_kind_is_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Order.parse(args)


def test_a_file_is_named_for_its_view_in_plain_characters() -> None:
    assert Order("csv", Chosen(view="movies")).file_name(PLACE.ms) == "dbwatch-movies-20251121-212000.csv"
    assert Order("jsonl", Chosen(view='../"\r\nمرحبا')).file_name(PLACE.ms) == "dbwatch-view-20251121-212000.jsonl"


def test_an_order_is_told_in_words() -> None:
    assert Order("csv", Chosen()).in_words() == "csv of the feed"
    chosen = Chosen("year > 1990", "movies", "k", PLACE.ms, PLACE.ms + 1)
    times = "from 2025-11-21T21:20:00.123Z before 2025-11-21T21:20:00.124Z"
    assert Order("jsonl", chosen).in_words() == f"jsonl of movies k {times}, filter year > 1990"


def test_progress_is_the_share_of_the_time_that_was_read() -> None:
    at = Place(30, 0, 0)
    assert share_of(at, begin_ms=0, end_ms=100, newest_first=False) == pytest.approx(0.3)
    assert share_of(at, begin_ms=0, end_ms=100, newest_first=True) == pytest.approx(0.7)
    assert share_of(None, begin_ms=0, end_ms=100, newest_first=True) == 0
    assert share_of(at, begin_ms=50, end_ms=50, newest_first=True) == 0
    assert not Progress("running").ended
    assert Progress("cut").ended
