"""The past, asked for at random moments, against the log of what was written: `dbwatch at` and `dbwatch history`."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from connectors.archive.moment import LAST, Moment
from connectors.archive.past import PastVersion
from connectors.archive.ranges import Recorded
from connectors.archive.travel import Travel
from tests.acceptance.oracle import Document, RowKey, joined_rows
from tests.faults.compare import Outcome, plain
from tests.faults.history import COLLECTIONS
from tests.faults.truth import Truth

_MOMENTS = 4
_ROWS = 3


class Asked(NamedTuple):
    """A moment, and how many entries of the log had been made by then."""

    moment: Moment
    made: int


def compare_past(root: Path, truth: Truth, rnd: random.Random) -> Outcome:
    """The writer's clock is that of the database, so moments can be told by it as well as by positions."""
    outcome = Outcome()
    travel = Travel(root)
    recorded = travel.recorded()
    rows = sorted(truth.rows())
    asked = [one for one in _asked(truth, rnd) if _is_told(one.moment, recorded)]
    chosen = rnd.sample(asked, min(_MOMENTS, len(asked)))
    histories: dict[RowKey, list[PastVersion]] = {}
    for one in chosen:
        joined = joined_at(truth, one.made)
        for row_key in rnd.sample(rows, min(_ROWS, len(rows))):
            past = travel.row_at(*row_key, one.moment)
            found = None if past is None or past.row is None else json.loads(past.row)
            outcome.counted["rows asked of the past"] += 1
            if found != joined.get(row_key):
                outcome.differences.append(f"{row_key} at {one.moment} was {joined.get(row_key)}, not {found}")
            if row_key not in histories:
                versions = travel.history(*row_key)
                histories[row_key] = [version for version in versions if isinstance(version, PastVersion)]
                outcome.counted["versions told"] += len(histories[row_key])
            told = _in_effect(histories[row_key], one.moment)
            if told != found:
                outcome.differences.append(f"{row_key} at {one.moment} was {told} by its history, {found} by `at`")
    for row_key, versions in histories.items():
        outcome.differences += [f"{row_key}: {what}" for what in _history(versions)]
    return outcome


def joined_at(truth: Truth, count: int) -> dict[RowKey, Document]:
    """The batch join of what was there when so many entries of the log had been made."""
    by_collection: dict[str, list[Document]] = {name: [] for name in COLLECTIONS}
    for (name, _), row in truth.rows_after(count).items():
        by_collection[name].append(row)
    joined = joined_rows(by_collection)
    return {row_key: {**row, **plain({"_id": row["_id"]})} for row_key, row in joined.items()}


def _asked(truth: Truth, rnd: random.Random) -> list[Asked]:
    """After each entry of the log, its position; between two, where the clock tells them apart, a time."""
    found: list[Asked] = []
    for number, (made, following) in enumerate(pairwise(truth.log), 1):
        if made.until < following.until:
            found.append(Asked(Moment(made.until + LAST), number))
        if made.ended_ms + 1 < following.began_ms:
            found.append(Asked(Moment.at(rnd.randrange(made.ended_ms + 1, following.began_ms)), number))
    return found


def _is_told(moment: Moment, recorded: Sequence[Recorded]) -> bool:
    if moment.at_ms is None:
        return any(one.begin <= moment.upper[:16] <= one.until[:16] for one in recorded)
    return any(int(one.begin[:8], 16) < moment.second < int(one.until[:8], 16) for one in recorded)


def _in_effect(versions: Sequence[PastVersion], moment: Moment) -> Document | None:
    """What a history says there was at a moment."""
    after = [version.after for version in versions if moment.includes(version.position, version.ts_ms)]
    return json.loads(after[-1]) if after and after[-1] is not None else None


def _history(versions: Sequence[PastVersion]) -> list[str]:
    """Each version begins where the one before ends."""
    said = [
        f"the version at {b.position} begins with {b.before}, the one before ended with {a.after}"
        for a, b in pairwise(versions)
        if b.before is not None and a.after != b.before
    ]
    positions = [version.position for version in versions]
    if any(bisect_left(positions, p) > i for i, p in enumerate(positions)) or positions != sorted(positions):
        said.append(f"its versions are not in order: {positions}")
    return said
