"""The record of the feed: its order of versions, and the map of strings that it is written as."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRecord
from connectors.records import LookupVersion, Record, Versions, shard_of, words_of

NAMES = ("movie", "user")

lookup_versions = st.builds(
    LookupVersion, st.integers(0, 3), st.one_of(st.none(), st.text(max_size=3)), st.one_of(st.none(), st.text())
)
versions = st.builds(
    Versions, st.sampled_from(["01", "02", "02.1"]), st.fixed_dictionaries(dict.fromkeys(NAMES, lookup_versions))
)
optional_text = st.one_of(st.none(), st.text())
records = st.builds(
    Record,
    view=st.text(),
    op=st.sampled_from(["c", "u", "d", "r"]),
    key=st.text(),
    ts_ms=st.integers(0, 1 << 50),
    position=st.text(),
    versions=versions,
    before=optional_text,
    after=optional_text,
    changed=st.one_of(st.none(), st.lists(st.text()).map(tuple)),
    cause=optional_text,
)


@given(versions, versions)
def test_of_two_versions_at_most_one_is_forward_of_the_other(a: Versions, b: Versions) -> None:
    assert not (a.is_forward_of(b) and b.is_forward_of(a))


@given(versions)
def test_no_version_is_forward_of_itself_and_each_reaches_itself(a: Versions) -> None:
    assert not a.is_forward_of(a)
    assert a.reaches(a)
    assert a.raised_since(a) is None


@given(versions, versions, versions)
def test_what_is_forward_of_a_forward_version_is_forward(a: Versions, b: Versions, c: Versions) -> None:
    if a.is_forward_of(b) and b.is_forward_of(c):
        assert a.is_forward_of(c)
    if a.reaches(b) and b.reaches(c):
        assert a.reaches(c)


@given(versions, versions)
def test_a_forward_version_reaches_the_other_and_one_that_reaches_is_forward_or_as_far(
    a: Versions, b: Versions
) -> None:
    if a.is_forward_of(b):
        assert a.reaches(b)
    if a.reaches(b):
        as_far = a.row == b.row and all(a.lookups[n].n == b.lookups[n].n for n in NAMES)
        assert a.is_forward_of(b) or as_far


@given(versions, versions)
def test_at_one_row_version_forward_names_the_lookup_that_is_further(a: Versions, b: Versions) -> None:
    if a.row == b.row and a.is_forward_of(b):
        name = a.raised_since(b)
        assert name is not None
        assert a.lookups[name].n > b.lookups[name].n


def test_a_later_row_is_forward_whatever_its_answers() -> None:
    old = Versions("02", {"movie": LookupVersion(9, "m", "01")})
    assert Versions("03", {"movie": LookupVersion(0, None, None)}).is_forward_of(old)
    assert not Versions("01", {"movie": LookupVersion(99, "m", "01")}).is_forward_of(old)


def test_one_answer_ahead_and_one_behind_is_neither_forward_nor_back() -> None:
    a = Versions("02", {"movie": LookupVersion(2, "m", None), "user": LookupVersion(1, "u", None)})
    b = Versions("02", {"movie": LookupVersion(1, "m", None), "user": LookupVersion(2, "u", None)})
    assert not a.is_forward_of(b)
    assert not b.is_forward_of(a)


def test_a_row_without_lookups_is_ordered_by_its_position() -> None:
    assert Versions("02", {}).is_forward_of(Versions("01", {}))
    assert not Versions("02", {}).is_forward_of(Versions("02", {}))
    assert Versions("02", {}).reaches(Versions("02", {}))


@given(versions)
def test_versions_read_back_are_those_written(value: Versions) -> None:
    assert Versions.from_json(value.to_json()) == value


@given(records)
def test_a_record_read_back_is_the_one_written(record: Record) -> None:
    assert Record.from_fields(record.to_fields()) == record


@given(records)
def test_a_pickled_record_is_the_same(record: Record) -> None:
    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301  # our own bytes


def test_what_is_none_is_absent_and_all_else_is_text() -> None:
    fields = Record("movies", "d", "k", 7, "01", Versions("01", {})).to_fields()
    assert fields == {
        "schema": "1",
        "view": "movies",
        "op": "d",
        "key": "k",
        "ts_ms": "7",
        "position": "01",
        "versions": '{"row":"01"}',
    }


@given(st.lists(records, max_size=5))
def test_the_words_of_a_call_are_the_fields_of_its_records_with_their_names_told_once(some: list[Record]) -> None:
    words = iter(words_of(some))
    names: list[str] = []
    for record in some:
        told = str(next(words))
        assert told.split() != names, "the same names are not told again"
        names = told.split() or names
        fields = {"schema": "1"} | {name: str(next(words)) for name in names}
        assert list(fields.items()) == list(record.to_fields().items())
        assert Record.from_fields(fields) == record
    assert list(words) == []


GOOD = Record("movies", "u", "k", 7, "01", Versions("01", {}), changed=("a",)).to_fields()


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "2"},
        {"schema": None},
        {"ts_ms": "soon"},
        {"position": None},
        {"versions": None},
        {"versions": "[]"},
        {"versions": "{}"},
        {"versions": '{"row":"01","movie":[1]}'},
        {"versions": '{"row":"01","movie":3}'},
        {"changed": "{"},
        {"changed": "1"},
    ],
)
def test_an_entry_of_another_form_is_refused(damage: dict[str, str | None]) -> None:
    damaged = {name: value for name, value in {**GOOD, **damage}.items() if value is not None}
    with pytest.raises(BadRecord):
        Record.from_fields(damaged)


@given(st.text(), st.text(), st.integers(1, 64))
def test_a_rows_shard_is_one_of_them_and_always_the_same(view: str, key: str, shards: int) -> None:
    assert shard_of(view, key, shards) == shard_of(view, key, shards)
    assert 0 <= shard_of(view, key, shards) < shards


def test_shards_are_those_of_earlier_releases() -> None:
    """A running job would otherwise write a key's next record to another stream."""
    assert [shard_of("comments", str(i), 4) for i in range(8)] == [0, 2, 0, 2, 1, 3, 1, 3]
