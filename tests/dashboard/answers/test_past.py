"""The answers from the archive: versions of a row, without what the role may not see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.changes import Change
from connectors.errors import ConfigError
from connectors.settings import Keys
from dashboard.access.roles import roles
from dashboard.answers import ANSWERS, past
from tests.connectors.archive.archives import BASE_S, at
from tests.connectors.archive.joined import chapter, record_in_commits
from tests.dashboard.asking import asked

ROLES = '[roles.viewer]\nhide = ["users.name", "comments.text"]\n'
VIEWS = """
[views.users]
[views.comments.lookups.author]
collection = "users"
local = "email"
foreign = "email"
"""
"""What the archive calls `user` is called `author` today."""


def user(second: int, name: str) -> Change:
    after = json.dumps({"_id": "u", "email": "a", "name": name})
    ms = (BASE_S + second) * 1000
    return Change("users", '"u"', "u" if second > 11 else "c", at(second), ms, None, after, None, {"email": '"a"'})


def comment(second: int, text: str) -> Change:
    after = json.dumps({"_id": "c", "email": "a", "movie_id": None, "text": text})
    refs = {"email": '"a"', "movie_id": None}
    return Change("comments", '"c"', "u", at(second), (BASE_S + second) * 1000, None, after, ("text",), refs)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A comment, written by somebody who is renamed; after a gap it is there still."""
    root = tmp_path / "archive"
    first = chapter(root, begin=at(10))
    record_in_commits(first, [user(11, "Ann"), comment(20, "one"), user(30, "Anna"), comment(40, "two")], [])
    first.progress(at(50))
    second = chapter(root, begin=at(70), number=2)
    record_in_commits(
        second, [change._replace(position=at(70)) for change in (user(70, "Anna"), comment(70, "two"))], []
    )
    second.progress(at(80))
    config = tmp_path / "dbwatch.toml"
    config.write_text(ROLES + VIEWS, encoding="utf-8")
    monkeypatch.setenv("DBWATCH_CONFIG", str(config))
    monkeypatch.setenv("DBWATCH_ARCHIVE", str(root))
    past.forget_settings()
    roles.cache_clear()
    yield root
    past.forget_settings()
    roles.cache_clear()


@pytest.fixture
def ask(redis_url: str, prefix: str) -> Any:
    def call(what: str, **args: Any) -> Any:
        role = args.pop("role", "admin")
        return asked(redis_url, Keys(prefix), ANSWERS[what].answer, args, role=role)

    return call


OF = {"view": "comments", "key": '"c"'}


@pytest.mark.usefixtures("archive")
def test_versions_come_newest_first_with_the_gap_between_chapters(ask: Any) -> None:
    found = ask("past.history", **OF)
    assert [row.get("position", "gap") for row in found["rows"]] == [at(70), "gap", at(40), at(30), at(20)]
    assert found["rows"][1] == {"gap": [(BASE_S + 50) * 1000, (BASE_S + 70) * 1000]}
    renamed = found["rows"][3]
    assert (renamed["cause"], renamed["stream"], renamed["ts_ms"]) == ("user", past.ARCHIVED, (BASE_S + 30) * 1000)
    assert renamed["diffs"] == [["user.name", "Ann", "Anna"]]
    assert not found["more"]


@pytest.mark.usefixtures("archive")
def test_pages_lead_back_through_all_versions(ask: Any) -> None:
    met: list[str] = []
    before: str | None = None
    more = True
    while more:
        found = ask("past.history", **OF, before=before, count=1)
        met += [row.get("position", "gap") for row in found["rows"]]
        before, more = found["rows"][0]["position"], found["more"]
    assert met == [at(70), "gap", at(40), at(30), at(20)]


@pytest.mark.usefixtures("archive")
def test_a_row_can_be_seen_as_a_version_had_it(ask: Any) -> None:
    row = json.loads(ask("past.row", **OF, position=at(30))["row"])
    assert (row["text"], row["user"]) == ("one", {"name": "Anna"})
    assert ask("past.row", **OF, position=at(31)) == {"row": None}


@pytest.mark.usefixtures("archive")
def test_what_a_role_may_not_see_today_it_does_not_see_under_the_names_of_the_past(ask: Any) -> None:
    found = ask("past.history", **OF, role="viewer")
    assert len(found["rows"]) == 5
    assert not [word for word in ("Ann", "one", "two") if word in json.dumps(found)]
    row = json.loads(ask("past.row", **OF, position=at(30), role="viewer")["row"])
    assert (row.get("text"), row["user"]) == (None, {})


@pytest.mark.usefixtures("archive")
def test_how_far_the_archive_reaches_is_told(ask: Any) -> None:
    assert ask("past.reach") == [
        [(BASE_S + 10) * 1000, (BASE_S + 50) * 1000],
        [(BASE_S + 70) * 1000, (BASE_S + 80) * 1000],
    ]


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("args", [{"count": 0}, {"before": "15m"}, {"before": 7}, {"view": ""}, {"key": "[1]"}])
def test_what_is_asked_wrongly_is_refused(ask: Any, args: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ask("past.history", **{**OF, **args})


@pytest.mark.usefixtures("archive")
def test_without_an_archive_there_is_none_to_ask(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBWATCH_ARCHIVE", "off")
    past.forget_settings()
    assert ask("past.reach") is None
    with pytest.raises(ConfigError, match="no archive is kept"):
        ask("past.history", **OF)
