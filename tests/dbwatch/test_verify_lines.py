"""What `dbwatch verify` prints."""

from __future__ import annotations

import json

from dbwatch.verify_lines import age, json_line, text_lines
from flows.verify.judging import Counts, Difference, Report

AGREED = Report("0000000a00000001", 10_000, "running", 10_000, {"movies": Counts(rows=1)}, (), 3, 0, 1, 0.5)


def test_agreement_is_three_words_and_the_counts() -> None:
    assert list(text_lines(AGREED)) == [
        "movies: 1 row, all as in the feed",
        "no drift, as of 1970-01-01T00:00:10Z (3 records, 0.5 s)",
    ]


def test_each_difference_says_what_differs() -> None:
    found = (
        Difference("missing", "movies", "a"),
        Difference("missing", "movies", "b", "5-0"),
        Difference("stale", "movies", "c", "6-0", ("title", *"123456")),
        Difference("stale", "movies", "d", "7-0", None),
        Difference("extra", "movies", "e", "8-0", letter="9-0"),
    )
    counts = Counts(rows=2000, missing=2, stale=3, extra=1, trimmed=4)
    lines = list(text_lines(AGREED._replace(views={"movies": counts}, differences=found, job="stopped", feed_ms=2000)))
    assert lines == [
        "movies a missing: no record",
        "movies b missing: its last record is a delete",
        "movies c stale: title, 1, 2, 3, 4, 5 and 1 more (record 6-0)",
        "movies d stale: changed since (record 7-0)",
        "movies e extra: no such row (record 8-0); dead letter 9-0",
        "… and 1 more; --sample 6 names all",
        "movies: 2,000 rows",
        "  2 missing: in the database, not in the feed",
        "  3 stale: differ from the database",
        "  1 extra: in the feed, not in the database",
        "  4 trimmed: may have been trimmed from the stream; not drift",
        (
            "no job runs: the feed ends at 1970-01-01T00:00:02Z, 8 s before this; what changed since the last one is "
            "among the differences until a job has written it"
        ),
        "drift: 6 of the keys differ, as of 1970-01-01T00:00:10Z (3 records, 0.5 s)",
    ]


def test_json_holds_everything() -> None:
    report = AGREED._replace(differences=(Difference("stale", "movies", "c", "6-0", ("a.b",)),))
    value = json.loads(json_line(report))
    assert set(value) == {*Report._fields, "drift"}
    assert value["views"]["movies"] == Counts(rows=1)._asdict()
    assert value["differences"] == [
        {"kind": "stale", "view": "movies", "key": "c", "entry": "6-0", "paths": ["a.b"], "letter": None}
    ]


def test_an_age_is_told_in_its_largest_whole_unit() -> None:
    assert [age(s) for s in (0, 119, 120, 7200, 172_800)] == ["0 s", "119 s", "2 minutes", "2 hours", "2 days"]
