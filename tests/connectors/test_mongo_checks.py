"""What stops a job before it starts, each said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from connectors.errors import ConfigError
from connectors.mongo_checks import check
from tests.conftest import StartMongod
from tests.connectors.bare_mongod import bare_mongod
from tests.connectors.mongo_driving import Document
from tests.secured import PASSWORD


@pytest.fixture
def db(mongo: MongoClient[Document], mongo_db: str) -> Database[Document]:
    mongo[mongo_db].create_collection("films")
    mongo[mongo_db].create_collection("people")
    return mongo[mongo_db]


def refusal(uri: str, database: str, *collections: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check(uri=uri, database=database, collections=collections, timeout_ms=1000)
    text = str(caught.value)
    assert "\n" not in text
    assert PASSWORD not in text
    return text


def test_a_replica_set_with_the_collections_passes(mongo_uri: str, db: Database[Document]) -> None:
    check(uri=mongo_uri, database=db.name, collections=["films", "people"])


def test_an_unreachable_server_is_named_without_its_password() -> None:
    text = refusal("mongodb://neo:p%40ss%3Aword%2F1@127.0.0.1:9/?replicaSet=rs0", "shop", "films")
    assert text.startswith("MONGO_URI: no answer from mongodb://127.0.0.1:9/ within 1 s: ")
    assert "p%40ss" not in text


def test_the_address_may_say_how_long_to_look_for_a_server() -> None:
    with pytest.raises(ConfigError, match=r"no answer from .* within 0\.1 s: "):
        check(uri="mongodb://127.0.0.1:9/?ServerSelectionTimeoutMS=100", database="shop", collections=["films"])


@pytest.mark.parametrize("options", ["", "?replicaSet=rs0"])
def test_a_standalone_server_is_told_how_to_become_a_replica_set(tmp_path: Path, options: str) -> None:
    with bare_mongod(tmp_path) as port:
        text = refusal(f"mongodb://127.0.0.1:{port}/{options}", "shop", "films")
    assert "found a standalone server" in text
    assert "--replSet" in text


def test_a_replica_set_that_was_not_initiated_is_told_so(tmp_path: Path) -> None:
    with bare_mongod(tmp_path, "--replSet", "rs0") as port:
        assert "rs.initiate()" in refusal(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0", "shop", "films")


def test_another_replica_set_is_named(mongo_uri: str) -> None:
    text = refusal(mongo_uri.replace("replicaSet=rs0", "replicaSet=other"), "shop", "films")
    assert "found replica set 'rs0', the address asks for replicaSet=other" in text


def test_an_address_that_cannot_be_read_is_one_line() -> None:
    assert refusal("mongodb://127.0.0.1:port/", "shop", "films").startswith("MONGO_URI: ")


def test_a_password_that_is_not_encoded_is_not_shown() -> None:
    text = refusal("mongodb://neo:12/secret@127.0.0.1/", "shop", "films")
    assert "percent-encoded" in text
    assert "secret" not in text


def test_missing_collections_are_named_with_those_that_exist(mongo_uri: str, db: Database[Document]) -> None:
    text = refusal(mongo_uri, db.name, "films", "peeple")
    assert "has no collection 'peeple'" in text
    assert "did you mean 'people'? there is: films, people" in text


def test_a_missing_database_is_named(mongo_uri: str, db: Database[Document]) -> None:
    text = refusal(mongo_uri, db.name + "x", "films")
    assert f"database '{db.name}x' has no collections; did you mean '{db.name}'" in text


def test_what_has_no_change_stream_is_refused(mongo_uri: str, db: Database[Document]) -> None:
    db.create_collection("titles", viewOn="films", pipeline=[])
    db.create_collection("readings", timeseries={"timeField": "at"})
    assert f"{db.name}.titles is a view" in refusal(mongo_uri, db.name, "films", "titles")
    assert f"{db.name}.readings is a timeseries" in refusal(mongo_uri, db.name, "readings")


def test_password_and_privileges_are_checked(start_mongod: StartMongod) -> None:
    server = start_mongod(auth=True, tls=True)
    own = server.uri
    credentials = own.partition("://")[2].partition("@")[0]
    with MongoClient[Document](own) as client:
        client.shop.films.insert_one({})
        privilege: Document = {"resource": {"db": "shop", "collection": "films"}, "actions": ["find"]}
        client.admin.command("createRole", "finder", privileges=[privilege], roles=[])
        client.admin.command("createUser", "finder", pwd="x1", roles=["finder"])
        client.admin.command("createUser", "reader", pwd="x1", roles=[{"role": "read", "db": "shop"}])
    check(uri=own, database="shop", collections=["films"])
    check(uri=own.replace(credentials, "reader:x1"), database="shop", collections=["films"])
    assert "refused the user or password" in refusal(own.replace(credentials, "reader:wrong"), "shop", "films")
    assert "expected `find` and `changeStream`" in refusal(own.replace(credentials, "finder:x1"), "shop", "films")
    assert refusal(own.replace("tls=true", "tls=false").split("&tlsCAFile")[0], "shop", "films")
