"""The records of a replay, held against those of the job whose past it is. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tests.acceptance.oracle import SECRET, Entry, RowKey
from tests.faults.compare import LOOKUPS, Outcome, own_part


def compare_replay(live: Sequence[Entry], replayed: Sequence[Entry], *, whole: bool) -> Outcome:
    """Per row: the same records without cause, in the same order, and the same last record. One that is not `whole`
    has those from some position on, the same for all rows.
    """
    outcome = Outcome()
    outcome.counted["records replayed"] = len(replayed)
    expected, found = _own(live), _own(replayed)
    since = "" if whole else min((one[1] for own in found.values() for one in own), default="")
    for row_key in {*expected, *found}:
        wanted = [one for one in expected.get(row_key, []) if one[1] >= since]
        if wanted != found.get(row_key, []):
            outcome.differences.append(f"{row_key}: expected {wanted}, found {found.get(row_key)}")
    last = _last(live)
    for row_key, after in _last(replayed).items():
        if after != last.get(row_key):
            outcome.differences.append(f"{row_key}: the last record is {after}, expected {last.get(row_key)}")
    if whole and _last(replayed).keys() != last.keys():
        outcome.differences.append(f"rows that only one has: {_last(replayed).keys() ^ last.keys()}")
    outcome.differences += [
        f"{entry.row_key}: a masked value stands in {entry.id}" for entry in replayed if SECRET in str(entry.fields)
    ]
    return outcome


def _own(feed: Sequence[Entry]) -> dict[RowKey, list[Any]]:
    """Of each row the records without cause, without what was looked up: that may have come sooner or later."""
    found: defaultdict[RowKey, list[Any]] = defaultdict(list)
    for entry in feed:
        if "cause" not in entry.fields:
            row = own_part(entry.fields["view"], entry.json("after"))
            before = own_part(entry.fields["view"], entry.json("before"))
            changed = [path for path in entry.json("changed") or () if path.split(".")[0] not in LOOKUPS]
            fields = entry.fields
            found[entry.row_key].append((fields["op"], fields["position"], fields["ts_ms"], before, row, changed))
    return dict(found)


def _last(feed: Sequence[Entry]) -> dict[RowKey, Any]:
    return {entry.row_key: entry.json("after") for entry in feed}
