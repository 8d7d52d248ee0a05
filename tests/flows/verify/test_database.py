"""The database's side, held against a join that shares no code with it."""

from __future__ import annotations

import json
import tomllib

import pytest
from pymongo import MongoClient

from connectors.mongo_at import MongoRows
from connectors.mongo_client import connect, read_position
from flows.verify.database import Database
from flows.verify.judging import digest_of
from flows.verify.ledger import Said, open_ledger
from flows.views import parse_views
from tests.acceptance.oracle import batch_join
from tests.acceptance.processes import VIEWS
from tests.acceptance.workload import Workload
from tests.conftest import Document


def never(_view: int, _key: str) -> bool:
    return False


def quietly(_doing: str, _done: int, _total: int) -> None:
    """Progress that nobody wants to know of."""


@pytest.mark.parametrize("seed", range(3))
def test_every_row_is_joined_as_a_batch_join_joins_it(
    mongo: MongoClient[Document], mongo_uri: str, mongo_db: str, seed: int
) -> None:
    Workload(mongo, mongo_db, seed).fill(300)
    expected = batch_join(mongo, mongo_db)
    database = Database(parse_views(tomllib.loads(VIEWS)))
    numbers = {plan.view.name: plan.number for plan in database.views}
    with connect(mongo_uri) as client, open_ledger() as ledger:
        reader = MongoRows(client, mongo_db, read_position(client, mongo_db, ["comments"]))
        database.read(reader, ledger, quietly)
        ledger.put_feed(
            Said(numbers[view], key, digest_of(json.dumps(row)), "1-0", later=False)
            for (view, key), row in expected.items()
        )
        assert not ledger.suspect(never, limit=10)
        assert ledger.suspected == 0
        assert sum(counts.rows for counts in ledger.counts(3)) == len(expected)
        for plan in database.views:
            keys = [key for view, key in expected if view == plan.view.name]
            now = dict(database.rows_now(reader, plan, keys))
            assert {key: json.loads(text) for key, text in now.items()} == {
                key: expected[plan.view.name, key] for key in keys
            }
