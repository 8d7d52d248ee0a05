"""The past of one joined row is what the live join said then, and what a batch join gives."""

from __future__ import annotations

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive.past import Happened, PastVersion, versions_of
from connectors.changes import Change
from connectors.views import View
from tests.connectors.archive.archives import at
from tests.connectors.archive.joined import COMMENTS, in_seconds, live, read_rows, rows_of
from tests.flows.histories import batch_join, random_history

seeds = st.integers(0, 1 << 32)


def happened(changes: list[Change], key: str, *, view: View = COMMENTS) -> list[Happened]:
    """What of all changes may concern a row: here, everything of the collections that it is joined with."""
    found = [Happened(c, None, 1, n) for n, c in enumerate(changes) if c.collection == view.collection and c.key == key]
    for slot, lookup in enumerate(view.lookups):
        found += [Happened(c, slot, 1, n) for n, c in enumerate(changes) if c.collection == lookup.collection]
    return found


def told(changes: list[Change], key: str, *, begin: str = at(-1)) -> list[PastVersion]:
    return list(versions_of(COMMENTS, happened(changes, key), begin=begin))


@settings(max_examples=300)
@given(seeds, st.booleans())
def test_versions_are_the_records_that_the_live_join_makes(seed: int, images: bool) -> None:
    changes = in_seconds(random_history(random.Random(seed), length=30, images=images).changes)
    records = live(changes)
    for key in {record.key for record in records}:
        feed = [
            (r.op, r.position, r.ts_ms, r.cause, r.before, r.after, r.changed)
            for r in records
            if r.key == key and (r.cause is None or r.before != r.after)  # what alters nothing shown is no version
        ]
        assert [tuple(version)[:-1] for version in told(changes, key)] == feed


@settings(max_examples=200)
@given(seeds, st.integers(0, 30))
def test_a_row_of_an_image_is_told_on_as_if_all_had_been_recorded(seed: int, cut: int) -> None:
    changes = in_seconds(random_history(random.Random(seed), length=30).changes)
    begin = at(cut, 2)
    image = read_rows([c for c in changes if c.position <= begin], begin)
    later = [c for c in changes if c.position > begin]
    joined = batch_join(rows_of(image))
    for key in {c.key for c in changes if c.collection == "comments"}:
        versions = told([*image, *later], key, begin=begin)
        first = versions[0] if versions and versions[0].is_first else None
        assert (None if first is None else json.loads(first.after or "")) == joined.get(json.loads(key))
        assert versions[0 if first is None else 1 :] == [v for v in told(changes, key) if v.position > begin]


def comment(position: str, movie: str | None = "m", **more: str) -> Change:
    after = json.dumps({"_id": "c", "movie_id": movie, "email": None, **more})
    refs = {"movie_id": None if movie is None else json.dumps(movie), "email": None}
    return Change("comments", '"c"', "u", position, int(position[:8], 16) * 1000, None, after, ("text",), refs)


def movie(position: str, title: str, *, named: tuple[str, ...] = ("title",), before: str | None = None) -> Change:
    after = json.dumps({"_id": "m", "title": title, "votes": position})
    old = None if before is None else json.dumps({"_id": "m", "title": before})
    return Change("movies", '"m"', "u", position, int(position[:8], 16) * 1000, old, after, named, {"_id": '"m"'})


def first_of(*changes: Change) -> tuple[str | None, str]:
    (version,) = told(list(changes), '"c"', begin=at(100))
    assert version.is_first
    assert json.loads(version.after or "")["movie"] == {"title": "A"}
    return version.cause, version.position


def test_a_folded_images_row_is_as_its_latest_change_made_it() -> None:
    assert first_of(comment(at(5)), movie(at(9), "A")) == ("movie", at(9))
    assert first_of(comment(at(9)), movie(at(5), "A")) == (None, at(9))


def test_a_change_that_altered_nothing_shown_did_not_make_a_folded_images_row() -> None:
    assert first_of(comment(at(5)), movie(at(9), "A", named=("votes",))) == (None, at(5))
    assert first_of(comment(at(5)), movie(at(9), "A", before="A")) == (None, at(5))


def test_a_row_that_was_read_again_and_is_as_it_was_has_no_other_version() -> None:
    again = comment(at(9))._replace(position=at(9) + ".r", op="r")
    assert [v.position for v in told([movie(at(1), "A"), comment(at(5)), again], '"c"')] == [at(5)]
    other = comment(at(9), text="x")._replace(position=at(9) + ".r", op="r")
    assert [v.position for v in told([movie(at(1), "A"), comment(at(5)), other], '"c"')] == [at(5), at(9) + ".r"]
