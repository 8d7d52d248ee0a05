"""The image that a chapter begins with in the middle of a job, read from a real server."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from bson.objectid import ObjectId
from pymongo import MongoClient
from structlog.testing import capture_logs

from connectors.archive import sorting
from connectors.archive.chapter import read_chapter, write_chapter
from connectors.archive.image import ImageReading
from connectors.archive.reading import from_image
from connectors.changes import Shape
from connectors.errors import SnapshotLost
from connectors.mongo_client import connect, read_later_position
from tests.conftest import Document
from tests.connectors.archive.past import chapter_of, hidden

SHAPES = {"users": Shape(mask=("password",), typed=True), "films": Shape(refs=("of",), typed=True)}


@pytest.fixture
def database(mongo: MongoClient[Document], mongo_db: str) -> Any:
    return mongo[mongo_db]


class Image:
    def __init__(self, root: Path, uri: str, database: str, *, partitions: int = 2) -> None:
        chapter = chapter_of(partitions=partitions)._replace(database=database)
        write_chapter(root, chapter)
        self.root = root
        self.name = chapter.name
        self._uri, self._database = uri, database
        self.asked = 0
        self.fails = 0

    def now(self) -> str:
        self.asked += 1
        if self.asked <= self.fails:
            raise SnapshotLost("a collection was made meanwhile")
        with connect(self._uri) as client:
            return read_later_position(client, self._database, SHAPES)

    def reading(self) -> ImageReading:
        return ImageReading(self.root, self.name, uri=self._uri, shapes=SHAPES, now=self.now)

    def read(self) -> None:
        reading = self.reading()
        reading.start()
        assert reading.wait(30)

    @property
    def begin(self) -> str:
        return read_chapter(self.root / self.name).begin

    def rows(self) -> list[tuple[str, dict[str, Any]]]:
        chapter = read_chapter(self.root / self.name)
        return [row for piece in from_image(self.root, chapter, order=list(SHAPES)) for row in piece.rows]


def test_it_holds_every_row_without_what_is_masked_and_the_chapter_begins_there(
    database: Any, mongo_uri: str, mongo_db: str, tmp_path: Path
) -> None:
    database.films.insert_many({"_id": ObjectId(), "number": n, "of": n % 3} for n in range(50))
    database.users.insert_many({"_id": n, "password": "secret"} for n in range(5))
    image = Image(tmp_path, mongo_uri, mongo_db)
    image.read()
    database.films.delete_many({})
    rows = image.rows()
    assert [collection for collection, _ in rows] == ["users"] * 5 + ["films"] * 50
    (position,) = {row["position"] for _, row in rows}
    assert {(row["op"], row["seq"]) for _, row in rows} == {("r", 0)}
    assert position < image.begin
    assert sorted(json.loads(row["after"])["number"] for name, row in rows if name == "films") == list(range(50))
    assert sorted(json.loads(row["after"])["_id"] for name, row in rows if name == "users") == list(range(5))
    assert not any("secret" in str(row) or "password" in str(row) for row in rows)
    assert hidden(tmp_path / image.name) == []


def test_rows_whose_keys_come_in_another_order_are_in_one_file_by_key(
    database: Any, mongo_uri: str, mongo_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "_AT_ONCE", 7)
    keys = [*range(1, 400), *(f"k{n}" for n in range(99)), *(n + 0.5 for n in range(99))]
    random.Random(1).shuffle(keys)
    database.films.insert_many({"_id": key} for key in keys)
    image = Image(tmp_path, mongo_uri, mongo_db, partitions=1)
    image.read()
    assert len(list((tmp_path / image.name).rglob("image-*.parquet"))) == 1
    found = [row["key"] for _, row in image.rows()]
    assert found == sorted(found)
    assert len(set(found)) == len(found) == len(set(keys))
    assert hidden(tmp_path / image.name) == []


def test_what_another_attempt_left_is_no_part_of_it_and_a_time_that_is_gone_is_followed_by_a_later_one(
    database: Any, mongo_uri: str, mongo_db: str, tmp_path: Path
) -> None:
    database.films.insert_one({"_id": 1})
    image = Image(tmp_path, mongo_uri, mongo_db)
    left = tmp_path / image.name / "collection=films" / "hour=image"
    left.mkdir(parents=True)
    for name in ("image-000-0000000001-0000000001.parquet", ".image-001-0000000001-0000000001.parquet.abc"):
        (left / name).write_bytes(b"left")
    image.fails = 2
    with capture_logs() as logs:
        image.read()
    assert [log["event"] for log in logs if log["event"].startswith("archive.")] == [
        *["archive.image_again"] * 2,
        "archive.image_read",
    ]
    assert [row["key"] for _, row in image.rows()] == ['{"$numberInt": "1"}']
    assert b"left" not in [file.read_bytes() for file in left.iterdir()]


def test_an_image_that_counts_already_stays(database: Any, mongo_uri: str, mongo_db: str, tmp_path: Path) -> None:
    database.films.insert_one({"_id": 1})
    image = Image(tmp_path, mongo_uri, mongo_db)
    late = image.reading()  # of a run that was told the chapter had none yet
    image.read()
    begin, asked = image.begin, image.asked
    late.start()
    assert late.wait(30)
    assert (image.begin, image.asked) == (begin, asked)
    assert [row["key"] for _, row in image.rows()] == ['{"$numberInt": "1"}']


def test_it_can_be_ended_while_the_server_is_away(tmp_path: Path) -> None:
    asked = threading.Event()

    def now() -> str:
        asked.set()
        raise SnapshotLost("never")

    write_chapter(tmp_path, chapter_of())
    reading = ImageReading(tmp_path, chapter_of().name, uri="mongodb://127.0.0.1:1", shapes=SHAPES, now=now)
    reading.start()
    assert asked.wait(10)
    reading.close()
    assert reading.wait(0)
    assert read_chapter(tmp_path / chapter_of().name).begin == ""
