"""The detail of one record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.records import LookupVersion, Record, Versions
from connectors.stream_ids import Placed
from dashboard.record.causes import Cause, cause_of
from dashboard.record.detail import Detail, detail_of

MOVIE = {"title": "The Matrix", "year": 1999}
COMMENT = {"_id": "c1", "text": "Whoa.", "movie": MOVIE, "user": None}
LOOKUPS = {"movie": LookupVersion(2, "m1", "p8"), "user": LookupVersion(1, '"neo@example.org"', None)}


def record(op: Any = "c", **changes: Any) -> Record:
    made = Record("comments", op, "c1", 1_000, "p8", Versions("p5", LOOKUPS), after=json.dumps(COMMENT))
    return made._replace(**changes)


def rejoined(**changes: Any) -> Record:
    before = {**COMMENT, "movie": {**MOVIE, "title": "Matrix"}}
    made = record("u", before=json.dumps(before), changed=("movie.title",), cause="movie")
    return made._replace(**changes)


def shown(made: Record | Mapping[str, str], entry_id: str = "1250-3") -> Detail:
    fields = made.to_fields() if isinstance(made, Record) else made
    return detail_of(Placed("p:changes:2", entry_id, fields), stream=2, now_ms=61_250)


def test_a_rejoined_row_tells_its_times_its_cause_and_what_it_was_made_of() -> None:
    detail = shown(rejoined())
    assert (detail.stream, detail.id, detail.address) == (2, "1250-3", "?record=2/1250-3")
    assert detail.history == "?history=comments/c1"
    assert (detail.view, detail.key, detail.position) == ("comments", "c1", "p8")
    assert (detail.op, detail.op_says) == ("u", "Updated, because its movie changed")
    assert (detail.title, detail.joined) == ("Whoa.", (("movie", "The Matrix (1999)"), ("user", None)))
    assert (detail.ts_ms, detail.at_ms, detail.latency.ms, detail.age_ms) == (1_000, 1_250, 250, 60_000)
    assert detail.cause == "The row itself did not change. Its movie did: The Matrix: title changed."
    assert detail.versions == (
        "The row's own version is that of position p5.",
        "movie: refers to m1; the row found is the version of position p8 (answer 2 for that value).",
        'user: refers to "neo@example.org", but there is no such row (answer 1 for that value).',
    )
    assert detail.diff is not None
    assert detail.diff.kind == "changed"
    assert detail.problem is None


def test_the_raw_record_is_there_as_it_is() -> None:
    fields = rejoined().to_fields()
    detail = shown(rejoined())
    assert {field.name: field.text for field in detail.raw} == fields
    long = shown(record(after=json.dumps({"t": "x" * 1_000_000})))
    after = next(field for field in long.raw if field.name == "after")
    assert after.size > 1_000_000
    assert len(after.text) < 10_000
    assert len(orjson.dumps(long)) < 30_000


def test_a_row_that_refers_to_nothing_and_one_that_is_gone_say_so() -> None:
    assert shown(record(versions=Versions("p", {"movie": LookupVersion(0, None, None)}))).versions[1] == (
        "movie: refers to nothing."
    )
    gone = shown(record("d", before=json.dumps(COMMENT), after=None, versions=Versions("p", LOOKUPS)))
    assert gone.versions[1] == "movie: not looked up, for the row is gone."
    assert gone.diff is not None
    assert (gone.diff.kind, gone.row_is) == ("removed", "before")
    assert gone.row is not None


def test_what_is_not_known_of_an_update_is_not_made_up() -> None:
    blind = shown(record("u", changed=("text", "movie.title")))
    assert blind.diff is None
    assert [(new.path, new.text) for new in blind.new_values] == [("text", "Whoa."), ("movie.title", "The Matrix")]
    assert "not known" in blind.notes[0]
    assert blind.row is not None
    vanished = shown(record("u", after=None, changed=()))
    assert (vanished.diff, vanished.row) == (None, None)
    assert "its deletion follows" in vanished.notes[0]


def test_a_latency_is_only_told_where_it_is_one() -> None:
    assert shown(record("r")).latency.ms is None
    assert "snapshot" in shown(record("r")).latency.says
    early = shown(record(ts_ms=5_000)).latency
    assert early.ms == -3_750
    assert "clocks" in early.says


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"schema": "9", "view": "movies", "key": "k"},
        record(after="{").to_fields(),
        record(after="[]").to_fields(),
        {**record().to_fields(), "versions": "x"},
    ],
)
def test_a_record_that_cannot_be_read_is_shown_raw_with_the_reason(fields: Mapping[str, str]) -> None:
    detail = shown(fields)
    assert detail.problem
    assert (detail.diff, detail.row) == (None, None)
    assert {field.name: field.text for field in detail.raw} == dict(fields)
    assert orjson.dumps(detail)


def test_control_characters_do_not_get_into_sentences() -> None:
    evil = "m\u202eo\nvie\x1b"
    lookups = {evil: LookupVersion(1, evil, None)}
    detail = shown(record("u", cause=evil, versions=Versions("p", lookups), changed=(), before=json.dumps(COMMENT)))
    sentences = [detail.op_says, detail.cause or "", *detail.versions]
    assert not any(char in sentence for sentence in sentences for char in "\u202e\n\x1b")


def test_the_cause_names_the_joined_row_and_what_changed_of_it() -> None:
    assert cause_of(record()) is None
    assert cause_of(rejoined()) == Cause("The Matrix", "title changed")
    many = tuple(f"movie.f{n}" for n in range(5))
    assert cause_of(rejoined(changed=many)) == Cause("The Matrix", "f0, f1, f2 and 2 more changed")
    assert cause_of(rejoined(changed=())) == Cause("The Matrix", "changed")


def test_a_joined_row_that_came_or_went_is_still_called_by_its_name() -> None:
    none = json.dumps({**COMMENT, "movie": None})
    assert cause_of(rejoined(before=none, changed=("movie",))) == Cause("The Matrix", "came")
    assert cause_of(rejoined(after=none, changed=("movie",))) == Cause("Matrix", "went")


def test_a_joined_row_without_a_name_is_called_by_what_it_is_found_with() -> None:
    for movie in ({"year": 1999}, None, {"title": "  ", "name": 5}):
        row = json.dumps({**COMMENT, "movie": movie})
        assert cause_of(rejoined(before=row, after=row)) == Cause("m1", "title changed")
    named = json.dumps({**COMMENT, "movie": {"name": "N", "label": "L"}})
    assert cause_of(rejoined(after=named)) == Cause("N", "title changed")


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_any_row_has_a_detail_that_is_json(row: dict[str, str]) -> None:
    made = record("u", before=json.dumps(row), changed=tuple(row), cause=next(iter(row), None))
    assert json.loads(orjson.dumps(shown(made)))["view"] == "comments"
