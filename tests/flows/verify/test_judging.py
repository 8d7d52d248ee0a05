"""Digests and verdicts."""

from __future__ import annotations

import pytest

from connectors.changes import Op
from connectors.records import LookupVersion, Record, Versions
from flows.verify.judging import NO_ROW, UNKNOWN, Counts, Kind, digest_of, digest_of_record, kind_of, moment_of

A, B = digest_of('{"a":1}'), digest_of('{"a":2}')


def record(op: Op = "u", after: str | None = None, **lookups: LookupVersion) -> Record:
    return Record("v", op, "k", 1, "05", Versions("03", lookups), after=after)


@pytest.mark.parametrize(
    ("row", "last", "trimmed", "kind"),
    [
        (A, A, False, None),
        (A, B, True, "stale"),
        (A, UNKNOWN, False, "stale"),
        (A, None, False, "missing"),
        (A, None, True, "trimmed"),
        (A, NO_ROW, True, "missing"),
        (None, A, True, "extra"),
        (None, UNKNOWN, False, "extra"),
        (None, NO_ROW, False, None),
        (None, None, False, None),
    ],
)
def test_each_pair_has_its_kind(row: bytes | None, last: bytes | None, kind: Kind | None, *, trimmed: bool) -> None:
    assert kind_of(row, last, trimmed=trimmed) == kind


def test_the_order_of_fields_does_not_count_but_types_do() -> None:
    assert digest_of('{"a":1,"b":{"c":2,"d":3}}') == digest_of('{"b":{"d":3,"c":2},"a":1}')
    assert len({digest_of(text) for text in ('{"a":1}', '{"a":1.0}', '{"a":"1"}', '{"a":[1]}', "{}")}) == 5


def test_a_record_without_a_row_says_that_there_is_none_or_that_nobody_knows() -> None:
    assert digest_of_record(record("d")) == NO_ROW
    assert digest_of_record(record("u")) == UNKNOWN
    assert digest_of_record(record("c", '{"a":1}')) == A


def test_a_record_knows_of_the_latest_of_its_positions() -> None:
    assert moment_of(record()) == "05"
    assert moment_of(record(l=LookupVersion(1, "f", "07"), m=LookupVersion(0, None, None))) == "07"


def test_trimmed_and_changing_rows_are_no_drift() -> None:
    assert Counts(rows=9, missing=1, stale=2, extra=3, trimmed=4, changing=5, unreadable=6).drift == 6
