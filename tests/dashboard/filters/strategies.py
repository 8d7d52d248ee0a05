"""Random filters, and random entries that they have a chance to let through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any as AnyValue
from typing import NamedTuple, cast

import orjson
from hypothesis import strategies as st

from connectors.changes import Op
from dashboard.filters.conditions import (
    Cause,
    Changed,
    Compare,
    Condition,
    Exists,
    Flag,
    Key,
    Moment,
    Null,
    Number,
    Operation,
    Operator,
    Text,
    Value,
    View,
    Words,
    all_of,
    any_of,
    negated,
)
from dashboard.filters.filter import Filter
from dashboard.filters.literals import span_of

NAMES = ("a", "b", "c", "title", "a.b", "0", "1", "x y", "é")
TEXTS = (
    *("", "a", "The Matrix", "matrix", 'he said "no"', "back\\slash", "8", "8.5", "1E+2", "true", "Straße", "a.b"),
    *("2026-11-21", "2026-11-21T20:00:00Z", "2026-11-21T20:00:00.181000Z", "2026-11-21T22:00:00+02:00"),
    *("line\nbreak", "مرحبا", "🎬"),
)
MOMENTS = (
    *("2026-11-21", "2026-11-21T20:00Z", "2026-11-21T20:00:00Z", "2026-11-21T20:00:00.181Z"),
    *("0001-01-01", "9999-12-31"),
)
OPS: tuple[Op, ...] = ("c", "u", "d", "r")
SIGNS: tuple[Operator, ...] = ("=", "!=", "~", "!~", "<", "<=", ">", ">=")

texts = st.sampled_from(TEXTS) | st.text(max_size=6)
some_text = texts.filter(bool)
names = st.sampled_from(NAMES) | st.text("ab.", min_size=1, max_size=3)
paths = st.lists(names, min_size=1, max_size=3).map(".".join)
numbers = (
    st.integers(-10, 10)
    | st.sampled_from([8.5, 100, 1e300, 2**53 + 1, -0.5])
    | st.floats(allow_nan=False, allow_infinity=False)
)
plain = st.none() | st.booleans() | numbers | texts
ops = st.sampled_from(OPS)
views = st.sampled_from(["movies", "comments", "a b"])
causes = st.sampled_from(["movie", "user", "*", "none", "NONE"])
keys = st.sampled_from(["573a1390f29313caabcd42e8", '"5"', '{"$numberInt": "5"}', '{"$numberLong": "5"}', "5"])


def rows() -> st.SearchStrategy[dict[str, AnyValue]]:
    value = st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(names, value, max_size=4)


@st.composite
def entries(draw: st.DrawFn) -> dict[str, str]:
    """The fields of an entry, with the JSON in one of the ways in which it may be written."""
    write = draw(st.sampled_from([_short, json.dumps]))
    op = draw(ops)
    fields = {"view": draw(views), "op": op, "key": draw(keys)}
    if op != "d":
        fields["after"] = write(draw(rows()))
    if op in ("u", "d") and draw(st.booleans()):
        fields["before"] = write(draw(rows()))
    if op == "u":
        fields["changed"] = write(draw(st.lists(paths, max_size=3)))
        if draw(st.booleans()):
            fields["cause"] = draw(causes)
    return fields


def conditions(aims: tuple[Aim, ...] = ()) -> st.SearchStrategy[Condition]:
    """Conditions; with `aims`, about what is there."""
    return st.recursive(
        _singles(aims),
        lambda inner: st.one_of(
            inner.map(negated),
            st.lists(inner, min_size=1, max_size=3).map(lambda some: all_of(*some)),
            st.lists(inner, min_size=1, max_size=3).map(lambda some: any_of(*some)),
        ),
        max_leaves=6,
    )


def filters() -> st.SearchStrategy[Filter]:
    return (st.none() | conditions()).map(Filter)


@st.composite
def aimed(draw: st.DrawFn) -> tuple[Filter, dict[str, str]]:
    """A filter and an entry that it speaks of."""
    fields = draw(entries())
    row = orjson.loads(fields.get("after", fields.get("before", "{}")))
    return Filter(draw(conditions(tuple(_aims(row, ""))))), fields


class Aim(NamedTuple):
    """Something that a row has."""

    path: str
    value: AnyValue


def _aims(value: AnyValue, path: str) -> Iterator[Aim]:
    if path:
        yield Aim(path, value)
    inside = cast("Mapping[str, AnyValue]", value if isinstance(value, dict) else {})
    for name, item in inside.items():
        yield from _aims(item, f"{path}.{name}" if path else name)
    if isinstance(value, list):
        items = cast("list[AnyValue]", value)
        for place, item in enumerate(items):
            yield from _aims(item, path)
            yield from _aims(item, f"{path}.{place}")


def comparisons() -> st.SearchStrategy[tuple[Compare, AnyValue]]:
    """A value, and a comparison of the field `a` with one that is often near it."""
    return (st.sampled_from(MOMENTS) | plain).flatmap(
        lambda value: st.tuples(_comparisons(Aim("a", value)), st.just(value))
    )


def _singles(aims: tuple[Aim, ...]) -> st.SearchStrategy[Condition]:
    there = [st.sampled_from(aims)] if aims else []
    some_path = st.one_of(*[aim.map(lambda aim: aim.path) for aim in there], paths)
    words = st.one_of(*[aim.map(lambda aim: str(aim.value)[:8] or "a") for aim in there], some_text)
    about = st.one_of(*[aim.flatmap(_comparisons) for aim in there], st.builds(Aim, paths, plain).flatmap(_comparisons))
    of_record = st.one_of(
        views.map(View),
        st.builds(Operation, ops),
        keys.map(Key),
        (st.none() | causes).map(Cause),
        paths.map(Changed),
    )
    return st.one_of(about, about, words.map(Words), some_path.map(Exists), of_record)


@st.composite
def _comparisons(draw: st.DrawFn, aim: Aim) -> Compare:
    """Mostly with the value that is there, or one near it."""
    sign = draw(st.sampled_from(SIGNS))
    if sign in ("~", "!~"):
        return Compare(aim.path, sign, Text(draw(st.just(str(aim.value)[:4] or "a") | some_text)))
    value = draw(st.just(aim.value) | plain)
    if isinstance(value, bool) or value is None:
        return Compare(aim.path, "!=" if sign == "!=" else "=", Null() if value is None else Flag(value))
    return Compare(aim.path, sign, draw(_literals(value)))


def _literals(value: AnyValue) -> st.SearchStrategy[Value]:
    others: st.SearchStrategy[Value] = st.sampled_from(MOMENTS).map(Moment) | texts.map(Text) | numbers.map(Number)
    if isinstance(value, int | float):
        return st.just(Number(value)) | others
    if isinstance(value, str):
        near: list[Value] = [Text(value), *([Moment(value)] if span_of(value) else [])]
        return st.sampled_from(near) | others
    return others


def _short(value: AnyValue) -> str:
    return orjson.dumps(value).decode()
