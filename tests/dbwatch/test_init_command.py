"""`dbwatch init` against a real database."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from connectors.archive.settings import parse_archive
from dbwatch import cli
from dbwatch.fill import Sizes, fill
from flows.views import parse_views
from tests.conftest import Document

SHIPPED = Path(__file__).parents[2] / "dbwatch.toml"


@pytest.fixture
def shop(mongo: MongoClient[Document], mongo_uri: str, mongo_db: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MONGO_URI", mongo_uri)
    monkeypatch.setenv("MONGO_DB", mongo_db)
    return mongo_db


def _untold(_collection: str, _done: int, _total: int) -> None: ...


def test_the_sample_database_gives_the_shipped_file(
    mongo: MongoClient[Document], shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(mongo, shop, sizes=Sizes(movies=200, users=20, comments=300), seed=1, progress=_untold)
    path = tmp_path / "first.toml"
    assert cli.run(["init", "--output", str(path)]) == 0
    assert capsys.readouterr().err == (
        f"{path}: 3 views, 2 guessed lookups, 1 masked fields; look it over, then `dbwatch run`\n"
    )
    guessed = parse_views(tomllib.loads(path.read_text()))
    shipped = parse_views(tomllib.loads(SHIPPED.read_text()))
    assert {v.name: set(v.lookups) for v in guessed.views} == {v.name: set(v.lookups) for v in shipped.views}
    assert guessed.masks == shipped.masks
    tables = [tomllib.loads(file.read_text()) for file in (path, SHIPPED)]
    assert parse_archive(tables[0], None) == parse_archive(tables[1], None) is not None


def test_a_file_that_is_there_is_kept_unless_forced(
    mongo: MongoClient[Document], shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mongo[shop].films.insert_one({"_id": 1})
    path = tmp_path / "dbwatch.toml"
    path.write_text("mine")
    assert cli.run(["init", "--output", str(path)]) == 2
    assert "is there already; --force replaces it" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert cli.run(["init", "--output", str(path), "--force"]) == 0
    assert "[views.films]" in path.read_text()


def test_a_dash_prints_the_file_and_names_what_is_left_out(
    mongo: MongoClient[Document], shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mongo[shop].films.insert_one(
        RawBSONDocument(encode({"_id": 1, "t": "~~"}).replace(b"~~", b"\xff\xfe"))  # pyright: ignore[reportArgumentType]
    )
    mongo[shop].create_collection("titles", viewOn="films", pipeline=[])
    assert cli.run(["init", "-o", "-"]) == 0
    text = capsys.readouterr().out
    assert "no changes to watch: titles" in text
    assert [view.name for view in parse_views(tomllib.loads(text)).views] == ["films"]


def test_an_empty_database_is_an_error(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", "-o", "-"]) == 2
    assert f"database '{shop}' has no collections" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(
    mongo: MongoClient[Document], shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mongo[shop].films.insert_one({"_id": 1})
    assert cli.run(["init", "--output", str(tmp_path / "no" / "dbwatch.toml")]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
