"""`dbwatch at` and `dbwatch history`, on an archive that a test wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connectors.changes import Change
from dbwatch.cli import run
from tests.connectors.archive.archives import BASE_S, at
from tests.connectors.archive.joined import chapter, record_in_commits

BEGAN = "2027-01-15T08:00:10Z"
BEFORE = f"is before the archive begins: it tells of {BEGAN} (position "


def change(collection: str, key: str, op: str, position: str, **row: Any) -> Change:
    after = None if op == "d" else json.dumps({"_id": key, **row})
    refs = {name: json.dumps(value) for name, value in {"_id": key, **row}.items()} if after else {}
    paths = {"comments": ("movie_id", "email"), "movies": ("_id",), "users": ("email",)}[collection]
    found = {path: refs.get(path) for path in paths}
    ms = int(position[:8], 16) * 1000 + 120
    return Change(collection, json.dumps(key), op, position, ms, None, after, None, found)  # type: ignore[arg-type]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A film, and a comment on it, whose film is renamed; then the comment goes. Nothing is recorded for 20 seconds."""
    first = chapter(tmp_path / "archive", begin=at(10))
    happened = [
        change("movies", "m1", "r", at(10), title="The Fly"),
        change("comments", "c1", "c", at(20), movie_id="m1", text="well\x1b[2J"),
        change("movies", "m1", "u", at(30), title="The Fly II"),
        change("comments", "c1", "d", at(40)),
    ]
    record_in_commits(first, happened, [])
    first.progress(at(50))
    second = chapter(tmp_path / "archive", begin=at(70), number=2)
    record_in_commits(second, [change("movies", "m1", "r", at(70), title="The Fly II")], [])
    second.progress(at(80))
    return tmp_path / "archive"


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def dbwatch(archive: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*args: str) -> Ended:
        status = run([*args, "--archive", str(archive)])
        out, err = capsys.readouterr()
        return Ended(status, out, err)

    return call


def test_at_tells_what_made_the_row_so_and_the_row(dbwatch: Any) -> None:
    status, out, err = dbwatch("at", at(35), "comments", "c1")
    assert (status, err) == (0, "")
    head, made, diff, *row = out.splitlines()
    assert head == f'comments "c1" at position {at(35)}'
    assert made == f"  2027-01-15T08:00:30.120Z  updated  (because of movie)  position {at(30)}"
    assert diff == "    movie.title: The Fly -> The Fly II"
    assert json.loads("\n".join(row))["movie"] == {"title": "The Fly II"}


def test_a_row_cannot_steer_a_terminal(dbwatch: Any) -> None:
    for args in (("at", at(25), "comments", "c1"), ("history", "comments", "c1")):
        assert "\x1b" not in dbwatch(*args).out


def test_at_as_json_is_one_object(dbwatch: Any) -> None:
    (line,) = dbwatch("at", f"{(BASE_S + 25) * 1000}", "comments", "c1", "--json").out.splitlines()
    found = json.loads(line)
    row = {"_id": "c1", "movie_id": "m1", "text": "well\x1b[2J", "movie": {"title": "The Fly"}, "user": None}
    assert found["row"] == row
    made = {"op": "c", "position": at(20), "ts_ms": (BASE_S + 20) * 1000 + 120, "after": row}
    assert found == {"view": "comments", "key": '"c1"', "at": "2027-01-15T08:00:25Z", "row": row, "made_by": made}


def test_a_row_that_was_not_there_is_said_to_be_deleted_or_to_come_and_the_status_is_1(dbwatch: Any) -> None:
    status, out, err = dbwatch("at", at(15), "comments", "c1")
    assert (status, out) == (1, "")
    assert f"no row c1 of comments at position {at(15)}; it appeared at 2027-01-15T08:00:20.120Z" in err
    status, out, _ = dbwatch("at", "now", "comments", "c1", "--json")
    assert status == 1
    found = json.loads(out)
    assert (found["row"], found["deleted"]["position"], found["appeared"]) == (None, at(40), None)
    assert "nor at any time that is recorded" in dbwatch("at", "now", "comments", "c2").err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("at", "2027-01-15T08:00:05", "movies", "m1"), BEFORE),
        (("at", "2027-01-15T08:01:00", "movies", "m1"), "is in a gap of the archive"),
        (("at", "2099-01-15", "movies", "m1"), "is still to come"),
        (("at", "yesterday", "movies", "m1"), "is no moment"),
        (("at", "now", "movie", "m1"), "did you mean movies?"),
        (("at", "now", "movies", '"m1'), "is no key"),
        (("history", "movie", "m1"), "did you mean movies?"),
        (("history", "movies", "m1", "--since", "2099-01-15"), "is still to come"),
        (("history", "movies", "m1", "--since", "2027-01-15T08:00:05"), BEFORE),
        (("history", "movies", "m1", "--until", "2027-01-15T08:00:05"), BEFORE),
        (("history", "movies", "m1", "--until", at(5)), BEFORE),
    ],
)
def test_what_cannot_be_told_is_one_line_and_status_2(dbwatch: Any, args: tuple[str, ...], words: str) -> None:
    status, out, err = dbwatch(*args)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_history_tells_versions_causes_and_gaps(dbwatch: Any) -> None:
    status, out, _ = dbwatch("history", "comments", "c1")
    assert status == 0
    assert out.splitlines() == [
        f"2027-01-15T08:00:20.120Z  created  well\ufffd[2J  {at(20)}",
        f"2027-01-15T08:00:30.120Z  updated  (because of movie)  {at(30)}",
        "    movie.title: The Fly -> The Fly II",
        f"2027-01-15T08:00:40.120Z  deleted  well\ufffd[2J  {at(40)}",
    ]
    assert dbwatch("history", "movies", "m1", "--since", at(30)).out.splitlines() == [
        f"2027-01-15T08:00:30.120Z  updated  {at(30)}",
        "    title: The Fly -> The Fly II",
        "-- from 2027-01-15T08:00:50Z to 2027-01-15T08:01:10Z nothing was recorded --",
        f"2027-01-15T08:01:10.120Z  read  (in the archive's image)  The Fly II  {at(70)}",
    ]


def test_history_as_json_has_the_names_of_records(dbwatch: Any) -> None:
    first, renamed, gap, again = map(json.loads, dbwatch("history", "movies", "m1", "--json").out.splitlines())
    assert (first["op"], first["first"]) == ("r", True)
    assert (renamed["before"]["title"], renamed["after"]["title"], renamed["changed"]) == (
        "The Fly",
        "The Fly II",
        ["title"],
    )
    assert gap == {"gap": {"from": at(50), "to": at(70)}}
    assert again["position"] == at(70)


def test_history_can_be_limited_to_the_last(dbwatch: Any) -> None:
    found = dbwatch("history", "comments", "c1", "--limit", "2", "--json").out.splitlines()
    assert [json.loads(line)["op"] for line in found] == ["u", "d"]


def test_a_row_without_a_history_is_told_with_the_range_that_is_there(dbwatch: Any) -> None:
    status, out, err = dbwatch("history", "comments", "c2")
    assert (status, out) == (1, "")
    assert f"no version of a row 'c2' of comments that is recorded; the archive tells of {BEGAN}" in err


def test_without_an_archive_it_is_said_where_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dbwatch.toml").write_text("[views.movies]\n")
    assert run(["at", "now", "movies", "m1"]) == 2
    assert "no archive is kept: neither [archive] in dbwatch.toml nor DBWATCH_ARCHIVE" in capsys.readouterr().err
    monkeypatch.setenv("DBWATCH_ARCHIVE", str(tmp_path / "nowhere"))
    assert run(["at", "now", "movies", "m1"]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err
