"""A dashboard on the shared server, with a prefix and an account of its own, for the tests of one module."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from redis import Redis

from connectors.accounts import Accounts
from connectors.redis_client import connect
from connectors.settings import Keys
from dbwatch.valkey import Valkey
from tests.dashboard.serving import Server, serving

NAME = "trinity"
PASSWORD = "follow the white rabbit"


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(f"test-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="module")
def client(valkey: Valkey) -> Iterator[Redis]:
    client = connect(valkey.uri)
    yield client
    client.close()


@pytest.fixture(scope="module")
def accounts(client: Redis, keys: Keys) -> Accounts:
    accounts = Accounts(client, keys)
    accounts.add(NAME, PASSWORD)
    return accounts


@pytest.fixture(scope="module")
def env(valkey: Valkey, keys: Keys) -> dict[str, str]:
    return {"REDIS_URL": valkey.uri, "DBWATCH_PREFIX": keys.prefix}


@pytest.fixture(scope="module")
def server(env: dict[str, str], accounts: Accounts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(env, tmp_path_factory.mktemp("dashboard")) as server:
        yield server
