"""What an upgrade must not change without a word: names that state is kept under, and what tells views apart.

Whoever has to change one of these raises `flows.recovery.FORMAT`, so that older state is refused, and says so in the
changelog.
"""

from __future__ import annotations

import hashlib
import tomllib
from typing import NoReturn

import pytest

from connectors.settings import Settings
from flows.job import made_with
from flows.late import LateSink, LateSource
from flows.recovery import FORMAT
from flows.views import parse_views
from flows.watch import build
from tests.acceptance.processes import VIEWS


def never() -> NoReturn:
    raise AssertionError


@pytest.mark.parametrize(
    ("is_parallel", "digest"),
    [
        (False, "a26fa63999a35a827c9cd0608df65888dd7de6e9a14e69edc95ffc9451472561"),
        (True, "70e9d761acc82d24f5889a5c2f932763470de922f3d9b958d4dd1d095f55dbd1"),
    ],
)
def test_the_steps_of_this_format_have_these_ids(digest: str, *, is_parallel: bool) -> None:
    views = parse_views(tomllib.loads(VIEWS))
    flow = build(views, LateSource([], never), LateSink([], never), is_parallel=is_parallel)
    ids = "\n".join(sorted(step.step_id for step in flow.substeps))
    assert FORMAT == 3
    assert hashlib.sha256(ids.encode()).hexdigest() == digest, ids


def test_the_same_views_are_told_to_be_the_same_by_every_version() -> None:
    made_for = made_with(Settings(), parse_views(tomllib.loads(VIEWS)))
    assert made_for == {
        "mongo_db": "sample_mflix",
        "dbwatch_mongo_partitions": "1",
        "dbwatch_stream_shards": "1",
        "views": "ee81245015b6961081e26977d83e9983dbf3c303daa3dbf74a2146596704ca64",
    }
