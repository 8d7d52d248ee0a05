"""How the feed reads in a terminal and in a pipe."""

from __future__ import annotations

import json

import click

from connectors.records import LookupVersion, Record, Versions
from connectors.stream_ids import Placed
from dbwatch.tail_lines import Wanted, json_line, text_line

UPDATE = Record(
    view="comments",
    op="u",
    key="5a9427648b0beebeb69579cc",
    ts_ms=1_763_760_000_123,
    position="p2",
    versions=Versions("p2", {"movie": LookupVersion(3, "573a", "p1")}),
    before='{"text":"Fine","movie":{"title":"Heat"}}',
    after='{"text":"Great","movie":{"title":"Heat"}}',
    changed=("text",),
    cause="movie",
)


def placed(record: Record) -> Placed[Record]:
    return Placed("dbwatch:changes", "1763760000200-0", record)


def test_a_line_shows_time_view_operation_key_row_change_and_cause() -> None:
    assert click.unstyle(text_line(placed(UPDATE))) == (
        "21:20:00.123  comments    updated  5a9427648b0beebeb69579cc  Great  movie: Heat  text: Fine -> Great  "
        "(because of movie)"
    )


def test_colours_are_there_for_a_terminal() -> None:
    assert text_line(placed(UPDATE)) != click.unstyle(text_line(placed(UPDATE)))


def test_a_value_cannot_steer_the_terminal() -> None:
    evil = UPDATE._replace(op="c", key="k\x1b]0;x\x07", after='{"text":"a\\u001b[2Jb\\nc"}', cause=None)
    line = click.unstyle(text_line(placed(evil)))
    assert "\x1b" not in line
    assert "\n" not in line


def test_a_time_out_of_range_is_still_a_line() -> None:
    assert text_line(placed(UPDATE._replace(ts_ms=10**18)))


def test_json_holds_the_whole_record_with_its_place() -> None:
    assert json.loads(json_line(placed(UPDATE))) == {
        "stream": "dbwatch:changes",
        "id": "1763760000200-0",
        "schema": "1",
        "view": "comments",
        "op": "u",
        "key": "5a9427648b0beebeb69579cc",
        "before": {"text": "Fine", "movie": {"title": "Heat"}},
        "after": {"text": "Great", "movie": {"title": "Heat"}},
        "changed": ["text"],
        "ts_ms": 1_763_760_000_123,
        "position": "p2",
        "versions": {"row": "p2", "movie": [3, "573a", "p1"]},
        "cause": "movie",
    }


def test_json_leaves_out_what_the_record_leaves_out() -> None:
    bare = json.loads(json_line(placed(Record("users", "d", "5", 1, "p", Versions("p", {})))))
    assert {"before", "after", "changed", "cause"}.isdisjoint(bare)


def test_views_and_operations_choose() -> None:
    assert Wanted().has(UPDATE)
    assert Wanted(["comments"], ["u"]).has(UPDATE)
    assert not Wanted(["movies"]).has(UPDATE)
    assert not Wanted(ops=["d"]).has(UPDATE)
