"""The rows of the three tables, and what the browser is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.records import LookupVersion, Record, Versions
from connectors.stream_ids import Placed
from connectors.summaries import Diff, Joined
from dashboard.health.figures import Rates
from dashboard.health.status import NEVER
from dashboard.live.messages import beat, fill, news
from dashboard.live.rows import PER_TABLE, Row, row_of
from dashboard.live.tables import News, Tables


def entry(n: int, op: Any = "c", **changes: Any) -> Placed[Mapping[str, str]]:
    record = Record("movies", op, f"k{n}", 1000 + n, f"p{n}", Versions(f"p{n}", {}), after='{"title":"Heat"}')
    return Placed("s", f"{2000 + n}-0", record._replace(**changes).to_fields())


def test_a_joined_update_becomes_a_row_with_its_film_user_and_change() -> None:
    lookups = {"movie": LookupVersion(1, "x", "p"), "user": LookupVersion(1, "y", "p")}
    joined = {"text": "Great", "movie": {"title": "Heat", "year": 1995}, "user": {"name": "Neo"}}
    row = row_of(
        entry(
            7,
            "u",
            view="comments",
            versions=Versions("p7", lookups),
            before=json.dumps({**joined, "movie": {"title": "Heet", "year": 1995}}),
            after=json.dumps(joined),
            changed=("movie.title",),
            cause="movie",
        )
    )
    assert row == Row(
        id="2007-0",
        stream="s",
        table="updated",
        view="comments",
        key="k7",
        text="Great",
        joined=(Joined("movie", "Heat (1995)", "movie.title", "Heat"), Joined("user", "Neo", "user.name", "Neo")),
        diffs=(Diff("movie.title", "Heet", "Heat"),),
        more=0,
        cause="movie",
        ts_ms=1007,
        at_ms=2007,
    )


def test_many_changed_fields_are_cut_and_counted() -> None:
    row = row_of(entry(1, "u", changed=tuple(f"f{i}" for i in range(20))))
    assert row is not None
    assert len(row.diffs) + row.more == 20
    assert row.more > 0


def test_a_snapshot_row_is_in_no_table() -> None:
    assert row_of(entry(1, "r")) is None
    assert not Tables().add([entry(1, "r")])


def test_messages_are_json_that_the_page_reads() -> None:
    row = row_of(entry(1, "u", before='{"title":"Heet"}', changed=("title",)))
    assert row is not None
    sent = json.loads(fill([row]))
    assert sent["type"] == "fill"
    assert sent["perTable"] == PER_TABLE
    assert sent["rows"][0]["diffs"] == [["title", "Heet", "Heat"]]
    assert json.loads(news(News((row,))))["rows"] == sent["rows"]
    told = json.loads(beat(NEVER, Rates({"movies": {"c": 1.04}}, (0.0,), None), left_out=12, now_ms=5))
    assert told["status"]["level"] == "down"
    assert told["rates"]["views"] == {"movies": {"c": 1.0}}
    assert (told["leftOut"], told["nowMs"]) == (12, 5)
    assert json.loads(beat(NEVER, None))["rates"] is None
