"""Nothing that a role may not see is left in a record."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.records import LookupVersion, Record, Versions
from connectors.rows import changed_paths, without
from dashboard.access.hidden import HIDDEN_VALUE, hidden_paths, hide, hide_fields
from dashboard.access.roles import Hidden, parse_roles

FILE = """
[views.users]
[views.comments]
[views.comments.lookups.user]
collection = "users"
local = "email"
foreign = "email"
[roles.viewer]
hide = ["users.email", "comments.note.secret"]
"""
HIDDEN = parse_roles(tomllib.loads(FILE)).hidden["viewer"]
COMMENT = {
    "_id": 7,
    "email": "neo@example.org",
    "note": [{"secret": "s1", "open": 1}, {"secret": "s2"}],
    "text": "hello",
    "user": {"name": "Neo", "email": "neo@example.org"},
}
RECORD = Record(
    "comments",
    "u",
    "7",
    1,
    "p",
    Versions("p", {"user": LookupVersion(3, '"neo@example.org"', "q")}),
    before=json.dumps({**COMMENT, "text": "hi"}),
    after=json.dumps(COMMENT),
    changed=("text", "email", "user.email", "user.name", "note"),
    cause="user",
)


def test_it_is_gone_from_before_after_changed_joined_rows_and_versions() -> None:
    shown = hide(RECORD, HIDDEN)
    assert "neo@example.org" not in str(shown)
    assert json.loads(shown.after or "") == {
        "_id": 7,
        "note": [{"open": 1}, {}],
        "text": "hello",
        "user": {"name": "Neo"},
    }
    assert json.loads(shown.before or "")["text"] == "hi"
    assert shown.changed == ("text", "user.name", "note")
    assert shown.versions.lookups["user"] == LookupVersion(3, HIDDEN_VALUE, "q")
    assert (shown.key, shown.cause, shown.position) == ("7", "user", "p")


def test_what_refers_to_nothing_still_does() -> None:
    record = RECORD._replace(versions=Versions("p", {"user": LookupVersion(1, None, None)}))
    assert hide(record, HIDDEN).versions.lookups["user"].fk is None


def test_where_nothing_is_hidden_nothing_is_done() -> None:
    fields = RECORD.to_fields()
    assert hide_fields(fields, frozenset()) is fields
    assert hide(RECORD, frozenset()) is RECORD
    movie = {"view": "movies", "after": "no JSON at all", "more": "x"}
    assert hide_fields(movie, HIDDEN) is movie
    assert hidden_paths("admin") == frozenset()


def test_a_row_without_the_field_is_passed_on_as_it_is() -> None:
    fields = {"view": "users", "after": '{"_id": 1,  "name": "Neo"}'}
    assert hide_fields(fields, HIDDEN)["after"] == fields["after"]


@pytest.mark.parametrize(
    "after",
    [
        '{"\\u0065mail": "neo@example.org"}',
        '{"email": {"deep": "neo@example.org"}}',
        '["email", "neo@example.org"]',
        '"email neo@example.org"',
        '{"email": "neo@example.org"',
        '{"a":' * 3000 + '{"email": "neo@example.org"}' + "}" * 3000,
        '{"a":' * 900 + '{"email": "neo@example.org"}' + "}" * 900,
    ],
)
def test_odd_rows_give_nothing_away(after: str) -> None:
    shown = hide_fields({"view": "users", "after": after, "before": "null"}, HIDDEN)
    if after.startswith('{"a":'):  # another path: not hidden, but it must not end the reader
        return
    assert "neo@example.org" not in str(shown)


@pytest.mark.parametrize(
    "fields",
    [
        {"view": "users", "raw": "neo@example.org"},
        {"view": "comments", "changed": "neo@example.org", "versions": "neo@example.org"},
        {"view": "comments", "changed": '{"a": "neo@example.org"}', "versions": '["neo@example.org"]'},
        {"view": "comments", "changed": "[1]", "versions": '{"user": "neo@example.org"}'},
        {"after": '{"x": "neo@example.org"}'},
    ],
)
def test_fields_that_nobody_can_read_are_left_out(fields: Mapping[str, str]) -> None:
    assert "neo@example.org" not in str(hide_fields(fields, HIDDEN))


NAMES = st.sampled_from(["a", "b", "c", "a.b", "b.c", 'q"t', "ü", "x/y"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
ROWS = st.dictionaries(NAMES, VALUES, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)


def paths_of(value: Any, path: str = "") -> Iterator[str]:
    """The path of every value in a row, however it is nested."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from paths_of(item, path)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            below = f"{path}.{name}" if path else name
            yield below
            yield from paths_of(item, below)


@given(ROWS, ROWS, st.frozensets(PATHS, min_size=1, max_size=4), st.booleans())
def test_no_hidden_path_remains_and_nothing_else_is_lost(
    before: dict[str, Any], after: dict[str, Any], paths: frozenset[str], ascii_only: bool
) -> None:
    changed = changed_paths(before, after)
    fields = {
        "view": "v",
        "before": json.dumps(before, ensure_ascii=ascii_only),
        "after": json.dumps(after, ensure_ascii=ascii_only),
        "changed": orjson.dumps(changed).decode(),
    }
    shown = hide_fields(fields, frozenset(Hidden("v", path) for path in paths))
    for name, row in (("before", before), ("after", after)):
        left = json.loads(shown[name])
        assert not any(found == path or found.startswith(f"{path}.") for found in paths_of(left) for path in paths)
        assert left == without(row, sorted(paths))
    assert not any(c == path or c.startswith(f"{path}.") for c in orjson.loads(shown["changed"]) for path in paths)


@given(ROWS)
def test_other_views_and_fields_are_untouched(row: dict[str, Any]) -> None:
    fields = {"view": "v", "op": "c", "key": "k", "after": json.dumps(row)}
    assert hide_fields(fields, frozenset([Hidden("w", "a")])) is fields
    shown = hide_fields(fields, frozenset([Hidden("v", "zzz")]))
    assert json.loads(shown["after"]) == row
    assert {**shown, "after": ""} == {**fields, "after": ""}
