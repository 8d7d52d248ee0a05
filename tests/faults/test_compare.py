"""That each kind of difference is found: a comparison that cannot fail proves nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.acceptance.oracle import SECRET, Document, Entry, RowKey, key_of
from tests.faults.compare import Outcome, Terms, compare
from tests.faults.history import Op
from tests.faults.truth import Truth

START = "0" * 15 + "5"
Records = list[dict[str, Any]]


def at(n: int) -> str:
    return f"{n:016x}"


def movie(stamp: int, title: str = "Heat") -> Document:
    return {"_id": 1, "title": title, "year": 1995, "stamp": stamp}


def comment(stamp: int, movie_id: int | None = 1) -> Document:
    return {"_id": 7, "text": "!", "movie_id": movie_id, "email": None, "stamp": stamp}


def truth_of(*changes: tuple[int, str, int, Document | None]) -> Truth:
    """Changes as (position, collection, key, row after it)."""
    truth = Truth()
    for position, collection, key, row in changes:
        truth.add((Op(collection, key, None, row),), at(position - 1), at(position))
    return truth


TRUTH = truth_of(
    (3, "movies", 1, movie(1)),
    (7, "comments", 7, comment(2)),
    (9, "movies", 1, movie(3, "Alien")),
    (11, "comments", 7, comment(4)),
    (13, "comments", 7, None),
)
ROW: RowKey = ("comments", key_of(7))


def record(view: str, key: int, op: str, position: int, after: Document | None, **more: Any) -> dict[str, Any]:
    return {"view": view, "key": key_of(key), "op": op, "versions": {"row": at(position)}, "after": after, **more}


def joined_comment(stamp: int, title: str) -> Document:
    return {**comment(stamp), "movie": {"title": title, "year": 1995}, "user": None}


def versions(row: int, n: int, film_at: int) -> dict[str, Any]:
    return {"row": at(row), "movie": [n, key_of(1), at(film_at)], "user": [1, None, None]}


def good() -> Records:
    """What a consumer should see: a film that was there, a comment, the film's change in both, the comment's own."""
    first, caused, own = joined_comment(2, "Heat"), joined_comment(2, "Alien"), joined_comment(4, "Alien")
    gone = {"row": at(13), "movie": [2, None, None], "user": [1, None, None]}
    return [
        record("movies", 1, "r", 5, movie(1)),
        record("comments", 7, "c", 7, first, versions=versions(7, 1, 5)),
        record("movies", 1, "u", 9, movie(3, "Alien"), before=movie(1)),
        record("comments", 7, "u", 7, caused, versions=versions(7, 2, 9), before=first, cause="movie"),
        record("comments", 7, "u", 11, own, versions=versions(11, 2, 9), before=caused),
        record("comments", 7, "d", 13, None, versions=gone, before=own),
    ]


def entries(records: Records) -> list[Entry]:
    return [Entry(f"{i}-0", _fields(fields)) for i, fields in enumerate(records)]


def _fields(record: Mapping[str, Any]) -> dict[str, str]:
    as_json = {"versions", "before", "after"}
    known = {name: value for name, value in record.items() if value is not None}
    return {name: json.dumps(value) if name in as_json else str(value) for name, value in known.items()}


JOINED: dict[RowKey, Document] = {("movies", key_of(1)): movie(3, "Alien")}


def compared(
    records: Records,
    *,
    joined: Mapping[RowKey, Document] = JOINED,
    starts: tuple[str, ...] = (at(5),),
    set_aside: tuple[int, ...] = (),
    images: bool = True,
) -> Outcome:
    terms = Terms(starts, images=images, set_aside=frozenset(map(at, set_aside)))
    return compare(entries(records), TRUTH, joined, terms)


def test_a_feed_that_is_as_it_must_be_has_no_differences() -> None:
    outcome = compared(good())
    assert outcome.differences == []
    assert outcome.counted["own"] == 4
    assert outcome.counted["caused"] == outcome.counted["read"] == 1
    assert outcome.counted["joined"] == 3


def without(i: int) -> Records:
    return [record for j, record in enumerate(good()) if j != i]


def with_fields(i: int, **fields: Any) -> Records:
    records = good()
    records[i] |= fields
    return records


SPOILT: list[tuple[str, Records, str]] = [
    ("a change is missing", without(4), "no record of the change"),
    ("the last change is missing", without(5), "no record of the change"),
    ("a snapshot row is missing", without(0), "0 records of the snapshot"),
    ("a snapshot row comes twice", [good()[0], *good()], "2 records of the snapshot"),
    ("a change comes twice", [*good()[:5], good()[4], good()[5]], "is a second record for the change"),
    ("a caused record comes twice", [*good()[:4], *good()[3:]], "is not forward of"),
    ("a change that never was", with_fields(4, versions=versions(12, 2, 9)), "a change at .* that never was"),
    ("another row", with_fields(2, after=movie(3, "Brazil")), "holds .*Brazil"),
    ("an old row", with_fields(4, after=joined_comment(2, "Alien")), "holds .*expected"),
    ("a film that never was", with_fields(3, after=joined_comment(2, "Brazil")), "no row of movies at"),
    ("a film not of its version", with_fields(3, versions=versions(7, 2, 5)), "no row of movies at"),
    ("another film", with_fields(1, after={**joined_comment(2, "Heat"), "movie_id": 2}), "no row of movies at"),
    (
        "none for a film",
        with_fields(1, after={**joined_comment(2, ""), "movie": None}),
        "position of its row",
    ),
    ("half-joined", with_fields(1, after=comment(2)), "is half-joined"),
    ("another before", with_fields(4, before=joined_comment(2, "Heat")), "says that before there was"),
    ("no before", with_fields(4, before=None), "says that before there was"),
    ("another op", with_fields(1, op="u"), "is a u, expected c"),
    ("a cause with another row version", with_fields(4, cause="user"), "has a cause, but its row version"),
    ("out of order", [*good()[:3], good()[4], good()[3], good()[5]], "is not forward of"),
    ("a secret", with_fields(2, note=SECRET), "a masked value"),
    ("the last record is wrong", with_fields(5, after=comment(4)), "the last record holds"),
]


@pytest.mark.parametrize(("records", "said"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT])
def test_each_kind_of_difference_is_found(records: Records, said: str) -> None:
    differences = "\n".join(compared(records).differences)
    assert re.search(said, differences), differences


def test_a_row_that_the_batch_join_has_and_the_feed_has_not_is_found() -> None:
    outcome = compared(good(), joined={**JOINED, ("users", "1"): {"_id": 1}})
    assert any("the last record holds None" in difference for difference in outcome.differences)


def test_changes_before_a_second_reading_may_be_passed_over_and_what_differs_is_repaired_once() -> None:
    repaired = record("comments", 7, "r", 12, joined_comment(4, "Alien"), before=joined_comment(2, "Alien"))
    repaired["versions"] = versions(12, 2, 9)
    records = [*good()[:4], repaired, good()[5]]
    assert any("snapshot" in d or "says that at" in d for d in compared(records).differences)
    outcome = compared(records, starts=(at(5), at(12)))
    assert outcome.differences == []
    assert outcome.counted["passed over"] == outcome.counted["repaired"] == 1


def test_a_row_that_did_not_differ_must_not_be_written_by_a_second_reading() -> None:
    again = record("movies", 1, "r", 12, movie(3, "Alien"), before=movie(3, "Alien"))
    outcome = compared([*good(), again], starts=(at(5), at(12)))
    assert any("although nothing differs" in difference for difference in outcome.differences)


def test_a_change_after_the_last_reading_is_never_passed_over() -> None:
    outcome = compared(without(5), starts=(at(5), at(12)))
    assert any("no record of the change" in difference for difference in outcome.differences)


def test_a_change_that_was_set_aside_may_have_no_record_and_no_other_may() -> None:
    records = [*good()[:4], {**good()[5], "before": joined_comment(2, "Alien")}]
    assert compared(records, set_aside=(11,)).differences == []
    assert any("no record of the change" in difference for difference in compared(records).differences)


def test_without_images_a_row_may_be_newer_or_unknown_and_never_older() -> None:
    newer = with_fields(1, after=joined_comment(4, "Heat"))
    assert not any("holds" in d and "expected" in d for d in compared(newer, images=False).differences)
    older = with_fields(4, after=joined_comment(2, "Alien"))
    assert any("holds" in d for d in compared(older, images=False).differences)


def test_without_images_a_film_may_be_newer_than_its_version_and_never_older() -> None:
    first = [("movies", 1, movie(1)), ("comments", 7, comment(2)), ("movies", 1, movie(3, "Alien"))]
    later = [("movies", 1, movie(5, "Brazil")), ("movies", 1, movie(6, "Jaws"))]
    truth = truth_of(*((3 + 2 * i, *change) for i, change in enumerate([*first, *later])))

    def said(title: str, *, images: bool) -> list[str]:
        caused = record("comments", 7, "u", 5, joined_comment(2, title), versions=versions(5, 2, 9), cause="movie")
        feed = entries([record("comments", 7, "c", 5, joined_comment(2, "Heat"), versions=versions(5, 1, 3)), caused])
        return [d for d in compare(feed, truth, {}, Terms((at(2),), images=images)).differences if "no row of" in d]

    assert said("Brazil", images=True) == said("Jaws", images=False) == said("Brazil", images=False) == []
    assert said("Jaws", images=True)
    assert said("Alien", images=False)
