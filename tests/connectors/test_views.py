"""Views as values, and as they are written."""

from __future__ import annotations

import json
from dataclasses import asdict

from connectors.views import Lookup, View, Views, views_of
from tests.flows.histories import VIEWS


def test_views_that_were_written_as_json_are_the_same_again() -> None:
    narrow = View("titles", "movies", ("title",), (Lookup("maker", "people", "made_by", "_id", ("name", "born.year")),))
    for views in (VIEWS, Views((narrow, View("people", "people")), {"people": ("password",)})):
        written = json.loads(json.dumps(asdict(views)))
        assert views_of(written["views"], written["masks"]) == views
