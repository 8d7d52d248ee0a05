"""The ledger against dictionaries that do the same in memory."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from flows.verify.judging import NO_ROW, UNKNOWN, kind_of
from flows.verify.ledger import Candidate, Ledger, Said, Suspect, open_ledger

KEYS = st.tuples(st.integers(0, 1), st.sampled_from("abcd"))
DIGESTS = st.sampled_from([b"1" * 16, b"2" * 16])
ROWS = st.dictionaries(KEYS, DIGESTS)
ENTRIES = st.lists(st.tuples(KEYS, DIGESTS | st.sampled_from([NO_ROW, UNKNOWN]), st.booleans()), max_size=20)


def said(entries: list[tuple[tuple[int, str], bytes, bool]]) -> list[Said]:
    return [Said(*key, digest, f"{n}-0", later) for n, (key, digest, later) in enumerate(entries)]


def never(_view: int, _key: str) -> bool:
    return False


def remaining(ledger: Ledger) -> dict[tuple[int, str], Suspect]:
    return {(s.view, s.key): s for s in ledger.remaining(never)}


@given(rows=ROWS, entries=ENTRIES, trimmed_keys=st.sets(KEYS), limit=st.integers(0, 10))
def test_it_finds_what_a_comparison_of_dictionaries_finds(
    rows: dict[tuple[int, str], bytes],
    entries: list[tuple[tuple[int, str], bytes, bool]],
    trimmed_keys: set[tuple[int, str]],
    limit: int,
) -> None:
    counted: dict[tuple[int, str], bytes] = {}
    later: set[tuple[int, str]] = set()
    for key, digest, is_later in entries:
        if is_later:
            later.add(key)
        else:
            counted[key] = digest
            later.discard(key)
    kinds = {
        key: kind_of(rows.get(key), counted.get(key), trimmed=key in trimmed_keys) for key in {*rows, *counted, *later}
    }
    again = {key for key, kind in kinds.items() if key in later or kind not in (None, "trimmed")}
    with open_ledger() as ledger:
        ledger.put_rows((*key, digest) for key, digest in rows.items())
        ledger.put_feed(said(entries))
        others = ledger.suspect(lambda view, key: (view, key) in trimmed_keys, limit=limit)
        chosen = remaining(ledger)
    assert set(chosen) <= again
    assert len(chosen) == min(limit, len(again))
    assert others == Counter((key[0], kind) for key, kind in kinds.items() if kind and key not in chosen)


@given(rows=ROWS, entries=ENTRIES, then=ROWS, more=ENTRIES)
def test_after_another_look_only_what_still_differs_is_left(
    rows: dict[tuple[int, str], bytes],
    entries: list[tuple[tuple[int, str], bytes, bool]],
    then: dict[tuple[int, str], bytes],
    more: list[tuple[tuple[int, str], bytes, bool]],
) -> None:
    with open_ledger() as ledger:
        ledger.put_rows((*key, digest) for key, digest in rows.items())
        ledger.put_feed(said(entries))
        ledger.suspect(never, limit=100)
        suspected = set(remaining(ledger))
        ledger.catch_up()
        for view, key in suspected:
            ledger.put_row_again(view, key, then.get((view, key)))
        ledger.put_feed(said([(key, digest, False) for key, digest, _ in more]))
        left = ledger.clear(never)
        found = remaining(ledger)
    last = {key: digest for key, digest, _ in [*entries, *more]}
    kinds = {key: kind_of(then.get(key), last.get(key), trimmed=False) for key in suspected}
    assert {key: s.kind for key, s in found.items()} == {key: kind for key, kind in kinds.items() if kind}
    assert left == len(found)


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("xy"), st.text("abc", min_size=1), st.text("12"))))
def test_of_the_rows_under_a_foreign_key_the_one_with_the_smallest_key_is_joined(
    offered: list[tuple[int, str, str, str]],
) -> None:
    by_key = {(lookup, fk, key): text for lookup, fk, key, text in reversed(offered)}
    with open_ledger() as ledger:
        ledger.put_candidates(Candidate(*key, text) for key, text in by_key.items())
        found = {(n, fk): text for n in (0, 1) for fk, text in ledger.candidates(n, ["x", "y", "z"]).items()}
    expected = {(n, fk): min((k, t) for (m, f, k), t in by_key.items() if (m, f) == (n, fk)) for n, fk, _ in by_key}
    assert found == {place: text for place, (_, text) in expected.items()}


def test_a_key_that_agrees_is_looked_at_again_when_the_feed_knows_more_of_it() -> None:
    with open_ledger() as ledger:
        ledger.put_rows([(0, "a", b"1" * 16)])
        ledger.put_feed(said([((0, "a"), b"1" * 16, False), ((0, "a"), b"2" * 16, True)]))
        ledger.put_feed(said([((0, "b"), NO_ROW, False), ((0, "b"), b"2" * 16, True)]))
        ledger.suspect(never, limit=10)
        assert {key: (s.kind, s.later) for key, s in remaining(ledger).items()} == {
            (0, "a"): (None, True),
            (0, "b"): (None, True),
        }
        ledger.catch_up()
        assert ledger.clear(never) == 2
        assert {key: s.kind for key, s in remaining(ledger).items()} == {(0, "a"): "stale", (0, "b"): "extra"}


def test_a_row_that_cannot_be_read_is_neither_missing_nor_extra() -> None:
    with open_ledger() as ledger:
        ledger.put_unreadable(0, "a")
        ledger.put_feed([Said(0, "a", b"1" * 16, "1-0", later=False)])
        assert not ledger.suspect(never, limit=10)
        assert not remaining(ledger)
        (counts,) = ledger.counts(1)
    assert (counts.rows, counts.unreadable) == (1, 1)


def test_a_full_folder_is_one_line() -> None:
    def fill() -> None:
        with open_ledger() as ledger:
            ledger._db.execute("PRAGMA max_page_count = 20")  # pyright: ignore[reportPrivateUsage]
            ledger.put_rows((0, f"{n:0200}", bytes(16)) for n in range(1000))

    with pytest.raises(ConfigError, match="SQLITE_TMPDIR"):
        fill()
