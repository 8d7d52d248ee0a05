"""The rows of the three tables, and what the browser is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.records import LookupVersion, Record, Versions
from connectors.stream_ids import Placed
from connectors.summaries import Diff, Joined
from dashboard.figures import Rates
from dashboard.messages import beat, fill, news
from dashboard.rows import PER_BATCH, PER_TABLE, Row, Tables, row_of
from dashboard.status import NEVER


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
    assert Tables().add([entry(1, "r")]) == []


def test_tables_hold_the_newest_and_no_more() -> None:
    tables = Tables()
    for n in range(3 * PER_TABLE):
        tables.add([entry(n), entry(1000 + n, "d", before="{}", after=None)])
    kept = tables.all()
    assert len(kept) == 2 * PER_TABLE
    assert [row.key for row in kept if row.table == "created"] == [f"k{n}" for n in range(2 * PER_TABLE, 3 * PER_TABLE)]


def test_a_flood_of_one_kind_does_not_push_out_another_and_is_counted() -> None:
    tables = Tables()
    flood = [entry(n, "u", changed=()) for n in range(1, 101)]
    rows = tables.add([entry(0), *flood])
    assert [row.table for row in rows].count("created") == 1
    assert len(rows) == 1 + PER_BATCH
    assert rows[-1].key == "k100"
    assert tables.left_out == 100 - PER_BATCH
    assert tables.shown == 1 + PER_BATCH


def test_what_cannot_be_read_is_counted_and_the_rest_shown() -> None:
    tables = Tables()
    bad: list[Placed[Mapping[str, str]]] = [
        Placed("s", "1-0", {"schema": "9", "op": "c"}),
        entry(2, after="no json"),
        Placed("s", "1-2", {}),
    ]
    assert [row.key for row in tables.add([*bad, entry(3)])] == ["k3"]
    assert tables.unreadable == 2


def test_messages_are_json_that_the_page_reads() -> None:
    row = row_of(entry(1, "u", before='{"title":"Heet"}', changed=("title",)))
    assert row is not None
    sent = json.loads(fill([row]))
    assert sent["type"] == "fill"
    assert sent["perTable"] == PER_TABLE
    assert sent["rows"][0]["diffs"] == [["title", "Heet", "Heat"]]
    assert json.loads(news([row]))["rows"] == sent["rows"]
    told = json.loads(beat(NEVER, Rates({"movies": {"c": 1.04}}, (0.0,), None), left_out=12, now_ms=5))
    assert told["status"]["level"] == "down"
    assert told["rates"]["views"] == {"movies": {"c": 1.0}}
    assert (told["leftOut"], told["nowMs"]) == (12, 5)
    assert json.loads(beat(NEVER, None))["rates"] is None
