"""Where a change goes first, and what of a row a view or lookup shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.records import Record
from flows.join.messages import Candidate, CandidateChange, Version
from flows.join.plan import FIRST_VALUES, KEYS, Plan
from flows.views import parse_views
from tests.flows.joining import COMMENTS, MOVIE, PLAN, USER, change, messages, place, places


def plan(**views: Any) -> Plan:
    return Plan(parse_views({"views": views}))


def test_a_row_that_others_are_looked_up_by_their_key_goes_straight_to_its_foreign_key() -> None:
    routed = PLAN.route(change(1, "movies", "m", "c", {"title": "T", "votes": 3}))
    assert places(routed) == [place(MOVIE.stage, '"m"'), place(PLAN.out, '"m"')]
    candidate = messages(routed)[0]
    assert candidate == Candidate(MOVIE.number, '"m"', '"m"', '{"title":"T"}', "00000001", 1)


def test_a_row_that_is_looked_up_by_another_field_is_remembered_first() -> None:
    routed = PLAN.route(change(1, "users", "u", "c", {"email": "a@x", "name": "A"}))
    assert places(routed)[0] == place(KEYS, '"u"')
    assert messages(routed)[0] == CandidateChange(USER.number, '"u"', '"a@x"', '{"name":"A"}', "00000001", 1)


def test_a_row_with_lookups_begins_at_its_keys_with_its_references() -> None:
    routed = PLAN.route(change(1, "comments", "c", "c", {"movie_id": "m"}))
    assert places(routed) == [place(KEYS, '"c"')]
    assert messages(routed)[0].refs == ('"m"', None)


def test_a_row_without_lookups_is_its_record() -> None:
    record = messages(PLAN.route(change(1, "movies", "m", "u", {"title": "T"}, named=("title",))))[-1]
    assert isinstance(record, Record)
    assert (record.op, record.changed, record.cause) == ("u", ("title",), None)
    assert json.loads(record.after or "") == {"_id": "m", "title": "T"}


@pytest.mark.parametrize(
    ("named", "goes"),
    [(("votes",), False), (("title",), True), (("title.de",), True), (("titles",), False), (None, True)],
)
def test_an_update_that_touches_nothing_shown_does_not_reach_those_who_look_it_up(
    named: tuple[str, ...] | None, *, goes: bool
) -> None:
    routed = PLAN.route(change(1, "movies", "m", "u", {"title": "T"}, named=named))
    assert (len(routed) == 2) is goes


def test_an_update_of_the_field_that_is_looked_up_by_reaches_them() -> None:
    assert USER.touches(("email",))
    assert not USER.touches(("password",))


def test_an_update_whose_row_was_gone_changes_no_answer() -> None:
    assert places(PLAN.route(change(1, "movies", "m", "u"))) == [place(PLAN.out, '"m"')]
    assert [type(m) for m in messages(PLAN.route(change(1, "comments", "c", "u")))] == [Version]


def test_a_removed_row_stands_nowhere() -> None:
    assert messages(PLAN.route(change(1, "movies", "m", "d")))[0].text is None
    assert messages(PLAN.route(change(1, "users", "u", "d")))[0].foreign is None


def test_equal_chosen_fields_are_equal_text_whatever_their_order() -> None:
    by = plan(c={"lookups": {"m": {"collection": "m", "local": "x", "fields": ["a", "b.c"]}}}).lookups[0]
    assert by.chosen('{"b":{"c":1,"d":2},"a":3}') == by.chosen('{"a":3,"b":{"c":1}}') == '{"a":3,"b":{"c":1}}'


def test_a_narrow_view_shows_its_fields_only_though_others_read_more() -> None:
    made = plan(movies={"fields": ["year"]}, c={"lookups": {"m": {"collection": "movies", "local": "x"}}})
    movies = made.views[0]
    assert movies.row('{"_id":1,"title":"T","year":1999}') == '{"year":1999}'
    assert movies.named(("title", "year")) == ("year",)
    assert movies.row(None) is None


def test_a_field_that_is_called_as_a_lookup_gives_way_to_it() -> None:
    assert (
        COMMENTS.row('{"_id":1,"movie":"own","text":"the \\"movie\\": a"}') == '{"_id":1,"text":"the \\"movie\\": a"}'
    )


def test_views_with_fewer_lookups_share_the_first_stages() -> None:
    made = plan(
        a={"lookups": {"x": {"collection": "m", "local": "x"}}},
        b={"lookups": {"x": {"collection": "m", "local": "x"}, "y": {"collection": "m", "local": "y"}}},
    )
    assert [p.stage for p in made.lookups] == [FIRST_VALUES, FIRST_VALUES, FIRST_VALUES + 1]
    assert [p.number for p in made.lookups] == [0, 1, 2]
    assert (made.rows, made.out) == (3, 4)
    assert len(made.route(change(1, "m", "k", "d"))) == 3
