"""Asking an archive: the row at a moment, its versions, and what it cannot tell."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive.folding import fold
from connectors.archive.layout import hour_of
from connectors.archive.moment import Moment
from connectors.archive.past import PastVersion
from connectors.archive.travel import Gap, Travel
from connectors.changes import Change
from connectors.errors import ConfigError
from tests.connectors.archive.archives import BASE_S, HOUR_S, Archive, at
from tests.connectors.archive.joined import chapter, in_seconds, live, read_rows, record_in_commits, rows_of
from tests.flows.histories import Row, batch_join, random_history

LENGTH = 30


def random_changes(rnd: random.Random) -> list[Change]:
    return in_seconds(random_history(rnd, length=LENGTH).changes)


def archived(root: Path, rnd: random.Random, changes: list[Change], *, begin: str) -> Archive:
    """An archive of these changes: an image as of `begin`, read as the job's first reading or later, and the rest."""
    archive = chapter(root, begin=begin, partitions=rnd.choice([1, 3]))
    image = read_rows([c for c in changes if c.position <= begin], begin)
    later = [c for c in changes if c.position > begin]
    if rnd.random() < 0.5:
        record_in_commits(archive, image, [4])
    else:
        for collection in {c.collection for c in image}:
            archive.image([c for c in image if c.collection == collection])
    record_in_commits(archive, later, [rnd.randrange(9) for _ in range(5)])
    archive.progress(at(LENGTH + 1))
    return archive


def plain(text: str | None) -> Row | None:
    return None if text is None else json.loads(text)


@settings(max_examples=5)
@given(st.integers(0, 1 << 32))
def test_a_row_at_any_moment_is_the_batch_join_of_what_there_was_then(seed: int) -> None:
    rnd = random.Random(seed)
    changes = random_changes(rnd)
    begin = at(rnd.randrange(LENGTH // 2), 2)
    with TemporaryDirectory() as folder:
        travel = Travel(archived(Path(folder), rnd, changes, begin=begin).root)
        for second in rnd.sample(range(int(begin[:8], 16) - BASE_S + 1, LENGTH + 1), 3):
            expected = batch_join(rows_of([c for c in changes if c.position[:16] <= at(second)]))
            for key in {c.key for c in changes if c.collection == "comments"}:
                for moment in (Moment.parse(at(second), now_ms=0), Moment.at((BASE_S + second) * 1000)):
                    past = travel.row_at("comments", key, moment)
                    assert (None if past is None else plain(past.row)) == expected.get(json.loads(key))


@settings(max_examples=5)
@given(st.integers(0, 1 << 32))
def test_each_version_is_what_the_row_was_at_its_position_and_nothing_changed_in_between(seed: int) -> None:
    rnd = random.Random(seed)
    changes = random_changes(rnd)
    begin = at(rnd.randrange(LENGTH // 2), 2)
    with TemporaryDirectory() as folder:
        travel = Travel(archived(Path(folder), rnd, changes, begin=begin).root)
        for key in {c.key for c in changes if c.collection == "comments"}:
            versions = [v for v in travel.history("comments", key) if isinstance(v, PastVersion)]
            made = {v.position: v for v in versions if not v.is_first}
            stood = versions[0] if versions and versions[0].is_first else None
            asked = {change.position for change in rnd.sample(changes, 10)}
            for change in (c for c in changes if c.position > begin):
                stood = made.get(change.position, stood)
                if change.position not in asked:
                    continue
                past = travel.row_at("comments", key, Moment(change.position))
                if stood is None or stood.op == "d":
                    assert past is None
                else:
                    assert past is not None
                    assert past.made_by == stood


@settings(max_examples=5)
@given(st.integers(0, 1 << 32))
def test_a_history_tells_what_the_feed_told(seed: int) -> None:
    rnd = random.Random(seed)
    changes = random_changes(rnd)
    feed = [record for record in live(changes) if record.cause is None or record.before != record.after]
    with TemporaryDirectory() as folder:
        travel = Travel(archived(Path(folder), rnd, changes, begin=at(0)).root)
        for key in {record.key for record in feed}:
            told = [v for v in travel.history("comments", key) if isinstance(v, PastVersion)]
            assert [(v.position, v.cause, v.after) for v in told] == [
                (r.position, r.cause, r.after) for r in feed if r.key == key
            ]


def movie(position: str, title: str, *, op: str = "u") -> Change:
    after = None if op == "d" else json.dumps({"_id": "m", "title": title})
    ms = int(position[:8], 16) * 1000
    return Change("movies", '"m"', op, position, ms, None, after, None, {"_id": None if op == "d" else '"m"'})  # type: ignore[arg-type]


def two_chapters(root: Path, *, second_begin: str, title: str = "B") -> Travel:
    first = chapter(root, begin=at(10), number=1)
    record_in_commits(first, [movie(at(10), "A", op="r"), movie(at(20), "B")], [])
    first.progress(at(30))
    second = chapter(root, begin=second_begin, number=2)
    second.image([movie(second_begin, title, op="r")])
    record_in_commits(second, [movie(at(60), "C")], [])
    second.progress(at(70))
    return Travel(root)


def titles(found: Iterator[PastVersion | Gap]) -> list[str]:
    return ["gap" if isinstance(v, Gap) else "gone" if v.after is None else json.loads(v.after)["title"] for v in found]


def test_a_history_goes_through_all_chapters_and_says_where_it_has_a_gap(tmp_path: Path) -> None:
    travel = two_chapters(tmp_path, second_begin=at(50))
    found = list(travel.history("movies", "m"))
    assert titles(iter(found)) == ["A", "B", "gap", "B", "C"]
    assert found[2] == Gap(at(30), at(50))


def test_what_differs_after_a_gap_is_told_as_of_the_next_beginning(tmp_path: Path) -> None:
    travel = two_chapters(tmp_path, second_begin=at(50), title="X")
    found = [v for v in travel.history("movies", "m") if isinstance(v, PastVersion)]
    assert (found[2].is_first, found[2].before, found[2].changed) == (True, found[1].after, ("title",))


def test_a_row_that_a_gap_took_is_told_as_deleted(tmp_path: Path) -> None:
    two_chapters(tmp_path, second_begin=at(50))
    third = chapter(tmp_path, begin=at(80), number=3)
    third.progress(at(90))
    assert titles(Travel(tmp_path).history("movies", "m")) == ["A", "B", "gap", "B", "C", "gap", "gone"]


def test_chapters_that_follow_without_a_gap_are_one_history(tmp_path: Path) -> None:
    assert titles(two_chapters(tmp_path, second_begin=at(30)).history("movies", "m")) == ["A", "B", "C"]
    assert titles(two_chapters(tmp_path, second_begin=at(25)).history("movies", "m")) == ["A", "B", "C"]


def test_a_history_can_be_cut(tmp_path: Path) -> None:
    travel = two_chapters(tmp_path, second_begin=at(30))
    assert titles(travel.history("movies", "m", since=Moment(at(20)))) == ["B", "C"]
    assert titles(travel.history("movies", "m", since=Moment.at((BASE_S + 20) * 1000 + 1))) == ["C"]
    assert titles(travel.history("movies", "m", until=Moment(at(59)))) == ["A", "B"]
    assert titles(travel.history("movies", "m", since=Moment(at(15)), until=Moment(at(20)))) == ["B"]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (10, r"08:00:10Z is before the archive begins.* 2027-01-15T08:00:10Z \(position \w+\) to 2027-01-15T08:00:30Z"),
        (40, r"08:00:40Z is in a gap of the archive.*08:00:30Z \(position .*\) and of 2027-01-15T08:00:50Z"),
        (70, r"08:01:10Z is after what is recorded.*ask again in some seconds"),
    ],
)
def test_a_moment_that_is_not_there_is_refused_with_the_range_that_is(tmp_path: Path, second: int, words: str) -> None:
    travel = two_chapters(tmp_path, second_begin=at(50))
    with pytest.raises(ConfigError, match=words):
        travel.row_at("movies", "m", Moment.at((BASE_S + second) * 1000))


def test_a_history_begins_and_ends_where_something_is_recorded_or_in_a_gap(tmp_path: Path) -> None:
    travel = two_chapters(tmp_path, second_begin=at(50))
    now_ms = (BASE_S + 1000) * 1000
    for text in (at(10), at(40), at(70), "now", f"{(BASE_S + 69) * 1000}"):
        travel.moment_within(text, now_ms=now_ms)
    for text, words in (
        (at(5), "is before the archive begins"),
        (at(80), "is after what is recorded"),
        ("1s", "is after"),
    ):
        with pytest.raises(ConfigError, match=rf"{words}.*2027-01-15T08:00:10Z .* to 2027-01-15T08:00:30Z"):
            travel.moment_within(text, now_ms=now_ms)


def test_the_last_that_is_recorded_can_be_asked_for(tmp_path: Path) -> None:
    travel = two_chapters(tmp_path, second_begin=at(50))
    for moment in (travel.newest(), Moment(at(70)), Moment.parse(at(70), now_ms=0)):
        past = travel.row_at("movies", "m", moment)
        assert past is not None
        assert plain(past.row) == {"_id": "m", "title": "C"}


def test_a_time_that_occurred_twice_is_refused_but_its_positions_are_not(tmp_path: Path) -> None:
    archive = chapter(tmp_path, begin=at(0))
    early = movie(at(20), "B")._replace(ts_ms=(BASE_S + 10) * 1000)
    record_in_commits(archive, [movie(at(0), "A", op="r"), early, movie(at(30), "C")], [])
    archive.progress(at(40))
    travel = Travel(tmp_path)
    with pytest.raises(ConfigError, match=r"occurred twice, for the server's clock was set back.*give a position"):
        travel.row_at("movies", "m", Moment.at((BASE_S + 15) * 1000))
    past = travel.row_at("movies", "m", Moment(at(15)))
    assert past is not None
    assert plain(past.row) == {"_id": "m", "title": "A"}


def test_an_archive_that_tells_nothing_yet_says_so(tmp_path: Path) -> None:
    chapter(tmp_path, begin="")
    with pytest.raises(ConfigError, match="it tells of no time yet"):
        Travel(tmp_path).newest()


def test_a_view_that_is_none_is_refused_with_a_hint(tmp_path: Path) -> None:
    travel = two_chapters(tmp_path, second_begin=at(30))
    with pytest.raises(ConfigError, match=r"'movie' was no view of the job then \(did you mean movies\?\); it had mov"):
        travel.row_at("movie", "m", travel.newest())
    with pytest.raises(ConfigError, match="'films' was no view"):
        list(travel.history("films", "m"))


def test_a_row_that_never_was_is_none_and_has_no_history(tmp_path: Path) -> None:
    travel = two_chapters(tmp_path, second_begin=at(30))
    assert travel.row_at("movies", "nobody", travel.newest()) is None
    assert travel.row_at("movies", "7", travel.newest()) is None
    assert list(travel.history("movies", "nobody")) == []
    assert travel.absence("movies", "nobody", travel.newest()) == (None, None)


def test_an_absent_rows_end_and_beginning_are_told(tmp_path: Path) -> None:
    archive = chapter(tmp_path, begin=at(0))
    gone, back = movie(at(20), "", op="d"), movie(at(40), "B", op="c")
    record_in_commits(archive, [movie(at(10), "A", op="c"), gone, back], [])
    archive.progress(at(50))
    travel = Travel(tmp_path)
    assert travel.row_at("movies", "m", Moment(at(30))) is None
    deleted, appeared = travel.absence("movies", "m", Moment(at(30)))
    assert deleted is not None
    assert appeared is not None
    assert (deleted.position, appeared.position) == (at(20), at(40))


def test_a_number_that_can_mean_two_rows_must_be_told_in_full(tmp_path: Path) -> None:
    archive = chapter(tmp_path, begin=at(0))
    keys = ['"5"', '{"$numberInt": "5"}']
    record_in_commits(archive, [movie(at(10), "A", op="c")._replace(key=key) for key in keys], [])
    archive.progress(at(50))
    travel = Travel(tmp_path)
    with pytest.raises(ConfigError, match="'5' can mean several keys of movies"):
        travel.row_at("movies", "5", travel.newest())
    for key in keys:
        past = travel.row_at("movies", key, travel.newest())
        assert past is not None
        assert past.key == key


def test_a_row_is_found_by_a_number_of_another_type(tmp_path: Path) -> None:
    archive = chapter(tmp_path, begin=at(0))
    film = movie(at(10), "A", op="c")._replace(key='{"$numberInt": "5"}', refs={"_id": '{"$numberLong": "5"}'})
    said = json.dumps({"_id": "c", "movie_id": 5.0, "email": None})
    refs = {"movie_id": '{"$numberLong": "5"}', "email": None}
    comment = Change("comments", '"c"', "c", at(11), 0, None, said, None, refs)
    record_in_commits(archive, [film, comment], [])
    archive.progress(at(50))
    travel = Travel(tmp_path)
    past = travel.row_at("comments", "c", travel.newest())
    assert past is not None
    assert json.loads(past.row or "")["movie"] == {"title": "A"}


@settings(max_examples=5)
@given(st.integers(0, 1 << 32))
def test_what_is_left_after_old_hours_were_folded_is_told_as_before(seed: int) -> None:
    rnd = random.Random(seed)
    half = LENGTH // 2
    changes = [later(change) if change.ts_ms > (BASE_S + half) * 1000 else change for change in random_changes(rnd)]
    with TemporaryDirectory() as folder:
        archive = chapter(Path(folder), begin=at(0))
        for some in (changes[:half], changes[half:]):
            record_in_commits(archive, some, [6])
        archive.progress(at(HOUR_S + LENGTH + 1))
        travel = Travel(archive.root)
        keys = {c.key for c in changes if c.collection == "comments"}
        before = {key: [v for v in travel.history("comments", key) if isinstance(v, PastVersion)] for key in keys}
        fold(archive.root, archive.chapter.name, hour_of(at(0)))
        for key, versions in before.items():
            stood = [v for v in versions if v.position < at(HOUR_S)][-1:]
            first, *rest = [v for v in travel.history("comments", key) if isinstance(v, PastVersion)] or [None]
            if stood and stood[0].op != "d":
                assert first is not None
                assert (first.is_first, plain(first.after)) == (True, plain(stood[0].after))
            else:
                rest = [*filter(None, [first]), *rest]
            assert rest == [v for v in versions if v.position >= at(HOUR_S)]


def later(change: Change) -> Change:
    """The same change an hour later."""
    position = f"{int(change.position[:8], 16) + HOUR_S:08x}{change.position[8:]}"
    return change._replace(position=position, ts_ms=change.ts_ms + HOUR_S * 1000)
