"""What the live tables hold, and how rows that one change caused become one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.records import LookupVersion, Record, Versions
from connectors.stream_ids import Placed
from dashboard.live.fan_outs import MOST_OPEN, MOST_ROWS, OPEN_MS, FanOuts, Group, cut_off, is_torn
from dashboard.live.messages import fill, news
from dashboard.live.rows import PER_BATCH, PER_TABLE, Row
from dashboard.live.tables import Line, News, Tables

Entry = Placed[Mapping[str, str]]


def entry(n: int, op: Any = "c", **changes: Any) -> Entry:
    record = Record("movies", op, f"k{n}", 1000 + n, f"p{n}", Versions(f"p{n}", {}), after='{"title":"Heat"}')
    return Placed("s", f"{2000 + n}-0", record._replace(**changes).to_fields())


def rejoined(n: int, position: str = "p1", *, view: str = "comments", title: str = "The Matrix") -> Entry:
    """A row that was joined anew, because its film changed at that position."""
    row = {"text": f"comment {n}", "movie": {"title": title, "year": 1999}}
    return entry(
        n,
        "u",
        view=view,
        position=position,
        versions=Versions("p0", {"movie": LookupVersion(2, "m1", position)}),
        before=json.dumps({**row, "movie": {"title": "Matrix", "year": 1999}}),
        after=json.dumps(row),
        changed=("movie.title",),
        cause="movie",
    )


def key_of(line: Line) -> str:
    assert isinstance(line, Row)
    return line.key


def group_of(lines: Iterable[Line]) -> Group:
    """The only group among the lines."""
    (group,) = (line for line in lines if isinstance(line, Group))
    return group


def test_tables_hold_the_newest_and_no_more() -> None:
    tables = Tables()
    for n in range(3 * PER_TABLE):
        tables.add([entry(n), entry(1000 + n, "d", before="{}", after=None)])
    kept = tables.all()
    assert len(kept) == 2 * PER_TABLE
    assert [key_of(row) for row in kept if row.table == "created"] == [
        f"k{n}" for n in range(2 * PER_TABLE, 3 * PER_TABLE)
    ]


def test_a_flood_of_one_kind_does_not_push_out_another_and_is_counted() -> None:
    tables = Tables()
    flood = [entry(n, "u", changed=()) for n in range(1, 101)]
    rows = tables.add([entry(0), *flood]).lines
    assert [row.table for row in rows].count("created") == 1
    assert len(rows) == 1 + PER_BATCH
    assert key_of(rows[-1]) == "k100"
    assert tables.left_out == 100 - PER_BATCH
    assert tables.shown == 1 + PER_BATCH


def test_what_cannot_be_read_is_counted_and_the_rest_shown() -> None:
    tables = Tables()
    bad: list[Placed[Mapping[str, str]]] = [
        Placed("s", "1-0", {"schema": "9", "op": "c"}),
        entry(2, after="no json"),
        Placed("s", "1-2", {}),
    ]
    assert [key_of(row) for row in tables.add([*bad, entry(3)]).lines] == ["k3"]
    assert tables.unreadable == 2


def test_rows_that_one_change_caused_become_one_line() -> None:
    (group,) = Tables().add([rejoined(n) for n in range(3)]).lines
    assert isinstance(group, Group)
    assert group.text == "The Matrix: title changed, 3 comments re-joined"
    assert (group.name, group.change, group.cause, group.total) == ("The Matrix", "title changed", "movie", 3)
    assert [row.key for row in group.rows] == ["k0", "k1", "k2"]
    assert (group.stream, group.id, group.position, group.table) == ("s", "2000-0", "p1", "updated")


def test_a_single_rejoined_row_stays_a_row_until_another_comes_and_then_gives_it_its_place() -> None:
    tables = Tables()
    (first,) = tables.add([rejoined(0)]).lines
    assert isinstance(first, Row)
    (group,) = tables.add([rejoined(1)]).lines
    assert isinstance(group, Group)
    assert (group.id, group.total) == (first.id, 2)
    assert [row.key for row in group.rows] == ["k0", "k1"]
    assert tables.all() == [group]


def test_a_fan_out_grows_over_batches_and_among_others() -> None:
    tables = Tables()
    tables.add([rejoined(0), entry(1), rejoined(2)])
    brought = tables.add([rejoined(3), rejoined(4, "p2"), entry(5, "u", changed=()), rejoined(6)])
    (grown,) = brought.grown
    assert (grown.id, grown.total) == ("2000-0", 4)
    assert grown.text == "The Matrix: title changed, 4 comments re-joined"
    assert [row.key for row in grown.rows] == ["k3", "k6"]
    assert [key_of(line) for line in brought.lines] == ["k4", "k5"]
    kept = group_of(tables.all())
    assert ([row.key for row in kept.rows], kept.total) == (["k0", "k2", "k3", "k6"], 4)


def test_changes_of_other_rows_views_and_positions_are_other_lines() -> None:
    others = [rejoined(4, "p2"), rejoined(5, "p2"), rejoined(6, view="likes"), rejoined(7, view="likes")]
    lines = Tables().add([rejoined(0), rejoined(1), *others]).lines
    assert [line.text for line in lines] == [
        "The Matrix: title changed, 2 comments re-joined",
        "The Matrix: title changed, 2 comments re-joined",
        "The Matrix: title changed, 2 likes re-joined",
    ]


def test_the_newest_rows_of_a_fan_out_are_kept_and_the_others_counted() -> None:
    tables = Tables()
    for start in range(0, 2_000, 100):
        tables.add([rejoined(n) for n in range(start, start + 100)])
    group = group_of(tables.all())
    assert group.text == "The Matrix: title changed, 2,000 comments re-joined"
    assert [row.key for row in group.rows] == [f"k{n}" for n in range(2_000 - MOST_ROWS, 2_000)]
    assert (tables.shown, tables.left_out) == (2_000, 0)


def test_a_fan_out_does_not_push_out_other_updates() -> None:
    tables = Tables()
    others = [entry(n, "u", changed=()) for n in range(PER_TABLE - 1)]
    for other in others:
        tables.add([other])
    tables.add([rejoined(100 + n) for n in range(1_000)])
    assert len(tables.all()) == PER_TABLE


def test_a_line_that_was_pushed_out_comes_back_when_it_grows() -> None:
    tables = Tables()
    tables.add([rejoined(0), rejoined(1)])
    for n in range(2, 2 + PER_TABLE):
        tables.add([entry(n, "u", changed=())])
    assert not any(isinstance(line, Group) for line in tables.all())
    brought = tables.add([rejoined(100)])
    assert (group_of(brought.lines).total, brought.grown) == (3, ())


def test_a_flood_of_fan_outs_is_cut_and_counted() -> None:
    tables = Tables()
    entries = [rejoined(2 * n + i, f"p{n}") for n in range(40) for i in range(2)]
    brought = tables.add(entries)
    assert len(brought.lines) == PER_BATCH
    assert tables.shown == 2 * PER_BATCH
    assert tables.left_out == len(entries) - 2 * PER_BATCH


def test_what_cannot_be_read_of_a_fan_out_is_counted_in_it_and_as_unreadable() -> None:
    tables = Tables()
    bad: Entry = Placed("s", "2001-0", {**rejoined(1).item, "after": "{"})
    group = group_of(tables.add([rejoined(0), bad, rejoined(2)]).lines)
    assert (group.total, [row.key for row in group.rows], tables.unreadable) == (3, ["k0", "k2"], 1)
    only_bad = group_of(Tables().add([bad, Placed("s", "2002-0", bad.item)]).lines)
    assert only_bad.text == "movie: changed, 2 comments re-joined"


def test_many_fan_outs_at_once_are_each_told_by_what_happened() -> None:
    entries = [rejoined(2 * n + i, f"p{n}", title=f"Film {n}") for n in range(PER_BATCH) for i in range(2)]
    lines = Tables().add([*entries, *(rejoined(100 + n, "p0", title="Film 0") for n in range(50))]).lines
    assert {line.name for line in lines if isinstance(line, Group)} == {f"Film {n}" for n in range(PER_BATCH)}


def test_of_a_fan_out_that_was_not_read_whole_at_least_what_was_read_is_told() -> None:
    entries = [rejoined(n) for n in range(30)]
    read = [entry.item for entry in reversed(entries)]
    assert is_torn(read)
    cut = cut_off(read)
    tables = Tables()
    brought = tables.add([*entries, rejoined(50, "p2"), rejoined(51, "p2")], cut=cut)
    assert [line.text for line in brought.lines if isinstance(line, Group)] == [
        "The Matrix: title changed, at least 30 comments re-joined",
        "The Matrix: title changed, 2 comments re-joined",
    ]
    (grown,) = tables.add([rejoined(60)]).grown
    assert (grown.at_least, grown.total) == (True, 31)


def test_entries_are_not_read_on_for_the_sake_of_a_few_rejoined_rows() -> None:
    newest = [entry(n).item for n in range(50)]
    assert not is_torn([*newest, *(rejoined(n).item for n in range(4))])
    assert not is_torn([*(rejoined(n).item for n in range(30)), *newest])
    assert is_torn([*newest, *(rejoined(n).item for n in range(5))])


def test_a_fan_out_is_over_when_nothing_has_come_for_long() -> None:
    tables = Tables()
    tables.add([rejoined(0), rejoined(1)])
    tables.add([rejoined(OPEN_MS, "p9")])
    tables.add([rejoined(OPEN_MS + 2), rejoined(OPEN_MS + 3)])
    totals = [line.total for line in tables.all() if isinstance(line, Group)]
    assert totals == [2, 2]


def test_only_so_many_fan_outs_are_open_and_the_one_that_grew_least_lately_is_forgotten() -> None:
    fan_outs = FanOuts()
    for n in range(3 * MOST_OPEN):
        fan_outs.add(rejoined(n, f"p{n}"))
        lively = fan_outs.add(rejoined(n, "lively"))
        assert lively is not None
        assert lively.count == n + 1
    again = fan_outs.add(rejoined(3 * MOST_OPEN, "p0"))
    assert again is not None
    assert again.count == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_the_page_that_follows_the_news_shows_what_one_that_is_filled_shows(batches: list[tuple[int, bool]]) -> None:
    """Each pair is an entry: of fan-out 1 to 3, or of none; and whether a batch ends with it."""
    tables = Tables()
    page: dict[str, tuple[int, list[str]]] = {}
    batch: list[Entry] = []
    for n, (which, is_last) in enumerate([*batches, (0, True)]):
        batch.append(rejoined(n, f"p{which}") if which else entry(n, "u", changed=()))
        if is_last:
            follow(page, tables.add(batch, most=100))
            batch = []
    assert page == {line.id: shown(line) for line in tables.all()}
    counted = sum(total for total, _ in page.values())
    assert counted == len(batches) + 1


def shown(line: Line) -> tuple[int, list[str]]:
    return (line.total, [row.key for row in line.rows]) if isinstance(line, Group) else (1, [line.key])


def follow(page: dict[str, tuple[int, list[str]]], brought: News) -> None:
    """What the browser does with the news."""
    page.update((line.id, shown(line)) for line in brought.lines)
    for grown in brought.grown:
        known = page[grown.id][1]
        page[grown.id] = (grown.total, [*known, *(row.key for row in grown.rows)][-MOST_ROWS:])


def test_groups_are_told_with_their_rows_as_objects() -> None:
    tables = Tables()
    sent = json.loads(news(tables.add([rejoined(0), rejoined(1)])))
    (line,) = sent["rows"]
    assert (line["kind"], line["total"], line["rows"][0]["key"]) == ("group", 2, "k0")
    assert json.loads(fill(tables.all()))["rows"] == [line]
    grown = json.loads(news(tables.add([rejoined(2)])))["grown"]
    assert [(told["id"], told["stream"], told["total"], told["rows"][0]["key"]) for told in grown] == [
        ("2000-0", "s", 3, "k2")
    ]
