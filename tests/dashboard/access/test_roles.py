"""The tables of `dbwatch.toml` that say what a role may see."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connectors.errors import ConfigError
from connectors.passwords import Role
from connectors.settings import Settings
from dashboard.access.permissions import EXPORT_ROWS
from dashboard.access.roles import Hidden, Roles, parse_roles, roles
from flows.views import parse_views

SHOP = """
[views.movies]
[views.people]
collection = "users"
[views.comments]
[views.comments.lookups.movie]
collection = "movies"
local = "movie_id"
[views.comments.lookups.user]
collection = "users"
local = "email"
foreign = "contact.email"
[views.archive]
collection = "comments"
[views.archive.lookups.shop]
collection = "eu.shops"
local = "shop"
"""


def parsed(text: str) -> Roles:
    return parse_roles(tomllib.loads(SHOP + text), file="my.toml")


def hidden_by(*paths: str, role: Role = "viewer") -> set[str]:
    """What is hidden, as `view path`; a value in `versions` as `view @lookup`."""
    found = parsed(f"[roles.{role}]\nhide = {list(paths)}").hidden[role]
    return {f"{h.view} {'@' if h.in_versions else ''}{h.path}" for h in found}


def test_without_a_word_nothing_is_hidden_and_the_usual_limits_hold() -> None:
    assert parsed("") == Roles() == parsed("[roles]")
    assert parsed("[roles.viewer]").hidden["viewer"] == frozenset()
    assert parsed("[roles.viewer]").export_rows == EXPORT_ROWS


def test_a_field_is_hidden_in_every_view_of_its_collection_and_where_it_is_joined() -> None:
    assert hidden_by("people.name") == {"people name", "comments user.name"}
    assert hidden_by("comments.text") == {"comments text", "archive text"}
    assert hidden_by("movies.imdb.rating") == {"movies imdb.rating", "comments movie.imdb.rating"}


def test_a_collection_that_is_only_looked_up_goes_by_its_own_name() -> None:
    assert hidden_by("eu.shops.tax.id") == {"archive shop.tax.id"}
    assert hidden_by("users.name") == hidden_by("people.name")


def test_what_refers_to_a_hidden_field_is_hidden_with_it() -> None:
    expected = {
        "people contact.email",
        "comments user.contact.email",
        "comments email",
        "archive email",
        "comments @user",
    }
    assert hidden_by("people.contact.email") == expected
    assert hidden_by("people.contact") >= {"comments email", "comments @user", "people contact"}


def test_a_hidden_reference_hides_the_value_that_it_was_joined_by() -> None:
    assert hidden_by("comments.movie_id") == {
        "comments movie_id",
        "archive movie_id",
        "comments movie._id",
        "comments @movie",
    }


def test_a_joined_row_can_be_hidden_as_a_whole_in_its_view() -> None:
    assert hidden_by("comments.user") == {"comments user", "archive user"}


def test_roles_have_their_own_fields_and_limits() -> None:
    both = parsed('[roles]\nstrangers = "viewer"\n[roles.viewer]\nhide = ["movies.plot"]\nexport_rows = 0')
    assert Hidden("movies", "plot") in both.hidden["viewer"]
    assert both.hidden["admin"] == frozenset()
    assert both.export_rows == {"viewer": 0, "admin": EXPORT_ROWS["admin"]}
    assert both.strangers == "viewer"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[roles.viewr]", r"my.toml: \[roles\] unknown key `viewr` \(did you mean `viewer`\?\)"),
        ("[roles.viewer]\nhid = []", r"\[roles.viewer\] unknown key `hid` \(did you mean `hide`\?\)"),
        ('[roles]\nviewer = "all"', "roles.viewer: expected a table, found 'all'"),
        ('[roles.viewer]\nhide = "people.name"', r"\[roles.viewer\] hide: expected a list such as"),
        ("[roles.viewer]\nhide = [5]", "expected a list such as"),
        ('[roles.viewer]\nhide = ["persons.name"]', "'persons.name' names no field of a view.*`people`"),
        ('[roles.viewer]\nhide = ["people"]', "'people' names no field of a view"),
        ('[roles.viewer]\nhide = ["people..name"]', "names no field of a view"),
        ('[roles.viewer]\nhide = ["people._id"]', "'people._id': `_id` of `users` is the key of its records"),
        ('[roles.viewer]\nhide = ["people._id.name"]', "cannot be hidden"),
        ("[roles.viewer]\nexport_rows = -1", r"\[roles.viewer\] export_rows: expected a whole number from 0"),
        ("[roles.viewer]\nexport_rows = true", "expected a whole number"),
        ('[roles]\nstrangers = "admin"', r"\[roles\] strangers: expected \"viewer\""),
        ("[roles.viewer]\n[views.more]\ncollection = 5", r"\[views.more\] collection: expected a name as text"),
        ('[roles.viewer]\n[views.more.lookups.x]\ncollection = "y"', r"\[views.more.lookups.x\] local: expected"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        parsed(text)
    assert "\n" not in str(raised.value)


def test_a_field_that_a_key_refers_to_cannot_be_hidden() -> None:
    text = SHOP + '[views.people.lookups.card]\ncollection = "cards"\nlocal = "_id"\nforeign = "owner"\n'
    with pytest.raises(ConfigError, match="`owner` of `cards`, to which `_id` refers: `_id` of `users` is the key"):
        parse_roles(tomllib.loads(text + '[roles.viewer]\nhide = ["cards.owner"]'))


def test_the_job_reads_a_file_with_roles() -> None:
    assert parse_views(tomllib.loads(SHOP + "[roles.viewer]\nexport_rows = 5")).views


@pytest.fixture
def anew() -> None:
    roles.cache_clear()


def test_a_file_that_was_named_must_be_there(anew: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert roles() == Roles()
    roles.cache_clear()
    monkeypatch.setenv("DBWATCH_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        roles()
    file = tmp_path / "here.toml"
    file.write_text(SHOP + "[roles.viewer]\nexport_rows = 7", encoding="utf-8")
    monkeypatch.setenv("DBWATCH_CONFIG", str(file))
    assert Settings.load().config_path == file
    assert roles().export_rows["viewer"] == 7
    roles.cache_clear()
