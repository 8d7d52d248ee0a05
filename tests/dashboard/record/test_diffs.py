"""What is different between two versions of a row."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRecord, ConfigError
from dashboard.record.diffs import Fold, Mark, Node, diff, mark_of
from dashboard.record.values import Limits, Value, part, tree

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False, allow_infinity=False)
) | st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5),
    max_leaves=15,
)
ROWS = st.dictionaries(st.sampled_from(["a", "b", "c.d", "", "é"]), JSON, max_size=5)


def text_of(value: Any) -> str:
    return orjson.dumps(value).decode()


def value_of(value: Value) -> Any:
    """The JSON value that a tree shows, when nothing was left out."""
    if value.items is not None:
        assert len(value.items) == value.size
        pairs = [(item.name, value_of(item.value)) for item in value.items]
        return dict(pairs) if value.type == "object" else [item for _, item in pairs]
    assert value.text is not None
    assert (value.start, len(value.text)) == (0, value.size)
    return value.text if value.type == "string" else orjson.loads(value.text)


def applied(before: Any, node: Node) -> Any:
    """The value before, brought to what it is after by what the difference says."""
    if node.children is None:
        assert node.new is not None
        return value_of(node.new)
    if node.type == "object":
        return applied_to_object(before, node)
    after: list[Any] = []
    at = 0
    for child in node.children:
        if isinstance(child, Fold):
            after += before[at : at + child.count]
            at += child.count
        else:
            if child.kind != "removed":
                after.append(applied(None if child.kind == "added" else before[at], child))
            at += child.kind != "added"
    assert at == len(before)
    return after


def applied_to_object(before: Mapping[str, Any], node: Node) -> dict[Any, Any]:
    after: dict[Any, Any] = {}
    for child in node.children or ():
        if isinstance(child, Fold):
            assert child.count == len(child.items)
            after.update((item.name, before[str(item.name)]) for item in child.items)
        elif child.kind != "removed":
            after[child.name] = applied(before.get(str(child.name)), child)
    return after


def found(node: Node, *names: str | int) -> Node:
    """The node below, by names."""
    for name in names:
        node = next(c for c in node.children or () if isinstance(c, Node) and c.name == name and c.kind != "removed")
    return node


@given(ROWS, ROWS)
def test_the_difference_applied_to_before_gives_after(before: Any, after: Any) -> None:
    assert text_of(sorted_(applied(before, diff(text_of(before), text_of(after))))) == text_of(sorted_(after))


def sorted_(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


@given(ROWS, ROWS)
def test_only_what_differs_is_called_changed(before: Any, after: Any) -> None:
    assert diff(text_of(before), text_of(before)).kind == "same"
    same = orjson.dumps(before, option=orjson.OPT_SORT_KEYS) == orjson.dumps(after, option=orjson.OPT_SORT_KEYS)
    assert (diff(text_of(before), text_of(after)).kind == "same") == same


@given(JSON)
def test_a_tree_shows_the_whole_value(value: Any) -> None:
    assert text_of(value_of(tree(text_of(value)))) == text_of(value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_marked_middle_is_what_differs(old: str, new: str) -> None:
    mark = mark_of(old, new)
    assert old[: mark.prefix] == new[: mark.prefix]
    assert old[len(old) - mark.suffix :] == new[len(new) - mark.suffix :]
    assert mark.prefix + mark.suffix <= min(len(old), len(new))


def test_an_emoji_is_not_cut_in_two() -> None:
    assert mark_of("hi 👨‍👩‍👧!", "hi 👨‍👩‍👦!") == Mark(4 - 1, 1)


def test_nested_fields_and_arrays_are_told_by_name_and_place() -> None:
    before = {
        "imdb": {"rating": 8.3, "votes": 5},
        "genres": ["Drama", "War"],
        "cast": [{"_id": 1, "name": "Al"}],
        "x": 1,
    }
    after = {"imdb": {"rating": 8.1, "votes": 5}, "genres": ["Drama"], "cast": [{"_id": 1, "name": "Bo"}], "y": True}
    node = diff(text_of(before), text_of(after))
    rating = found(node, "imdb", "rating")
    assert (rating.kind, rating.path) == ("changed", "imdb.rating")
    assert rating.old is not None
    assert rating.new is not None
    assert (rating.old.text, rating.new.text, rating.new.type) == ("8.3", "8.1", "number")
    kinds = [c.kind for c in found(node, "genres").children or ()]
    assert kinds == ["fold", "removed"]
    assert found(node, "cast", 0, "name").path == "cast.name"
    assert [(c.kind, c.name) for c in node.children or () if isinstance(c, Node)] == [
        ("changed", "imdb"),
        ("changed", "genres"),
        ("changed", "cast"),
        ("removed", "x"),
        ("added", "y"),
    ]


def test_a_row_that_came_or_went_is_shown_whole() -> None:
    created, gone = diff(None, '{"a":[1]}'), diff('{"a":[1]}', None)
    assert (created.kind, created.new and value_of(created.new)) == ("added", {"a": [1]})
    assert (gone.kind, gone.old and value_of(gone.old)) == ("removed", {"a": [1]})
    assert diff(None, None).kind == "same"


def test_a_field_that_became_another_type_shows_both() -> None:
    node = found(diff('{"a":{"b":1}}', '{"a":[2]}'), "a")
    assert (node.kind, node.old and value_of(node.old), node.new and value_of(node.new)) == ("changed", {"b": 1}, [2])


def test_what_stayed_is_folded_and_counted() -> None:
    before = {f"f{i}": i for i in range(500)}
    node = diff(text_of(before), text_of(before | {"f250": -1}))
    folds = [child for child in node.children or () if isinstance(child, Fold)]
    assert [fold.count for fold in folds] == [250, 249]
    assert found(node, "f250").kind == "changed"


def test_what_there_is_no_room_for_is_counted() -> None:
    node = diff(text_of({"a": [0] * 3}), text_of({"a": ["x"] * 1000, "b": 1}), Limits(items=5))
    array = found(node, "a")
    assert (len(array.children or ()), array.left_out) == (5, 998)
    assert found(node, "b").kind == "added"
    few = diff(None, text_of({"a": list(range(100))}), Limits(items=10, nodes=1000)).new
    assert few is not None
    assert few.items is not None
    inner = few.items[0].value
    assert (inner.size, len(inner.items or ())) == (100, 10)


def test_a_long_text_is_shown_from_where_it_changes() -> None:
    old, new = "a" * 1_000_000, "a" * 500_000 + "b" + "a" * 499_999
    node = found(diff(text_of({"t": old}), text_of({"t": new})), "t")
    assert node.mark == Mark(500_000, 499_999)
    assert node.new is not None
    assert node.new.text is not None
    assert node.new.size == 1_000_000
    assert node.new.text[500_000 - node.new.start] == "b"
    assert len(node.new.text) <= Limits().text


def test_all_texts_together_are_bounded() -> None:
    wide = {f"f{i}": "x" * 10_000 for i in range(500)}
    assert len(orjson.dumps(diff(None, text_of(wide)))) < 500_000
    assert len(orjson.dumps(diff(text_of(wide), text_of(wide)))) < 200_000


def test_a_part_that_was_left_out_can_be_asked_for() -> None:
    row = text_of({"a": [{"t": "x" * 50 + "end"}], "n": list(range(30))})
    assert part(row, ["a", 0, "t"], 50).text == "end"
    rest = part(row, ["n"], 28)
    assert (rest.start, rest.size, [item.name for item in rest.items or ()]) == (28, 30, [28, 29])
    assert part(row, ["n"], 99).items == ()
    for wrong in (["b"], ["a", "0"], ["a", 1], ["a", -1], ["a", 0, "t", 0]):
        with pytest.raises(ConfigError, match="has nothing at"):
            part(row, wrong, 0)


def test_deep_rows_are_cut_and_no_json_is_said_to_be_none() -> None:
    deep = "[" * 200 + "1" + "]" * 200
    deeper = "[" * 200 + "2" + "]" * 200
    assert diff(deep, deeper).kind == "changed"
    assert orjson.dumps(diff(deep, deeper))
    assert orjson.dumps(tree(deep))
    with pytest.raises(BadRecord):
        diff("{", "{}")
    with pytest.raises(BadRecord):
        diff("[" * 900 + "]" * 900, "[" * 900 + "1" + "]" * 900)


def test_huge_rows_are_compared_quickly() -> None:
    """Each in some tens of milliseconds at rest; the bound leaves room for a busy machine."""
    items = [f"tag {n}" for n in range(100_000)]
    wide = {f"f{n}": n for n in range(500)}
    cases = [
        (json.dumps({"t": "é" * 1_000_000}), json.dumps({"t": "é" * 999_999 + "e"})),
        (json.dumps({"a": items}), json.dumps({"a": [*items[1:], "new"]})),
        (json.dumps({"a": items}), json.dumps({"a": items[::-1]})),
        (json.dumps(wide), json.dumps({name: -n for name, n in wide.items()})),
    ]
    for before, after in cases:
        started = time.perf_counter()
        diff(before, after)
        assert time.perf_counter() - started < 1
