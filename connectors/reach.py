"""How far back the streams of the feed go, and what is missing of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.places import Place


class Reach(NamedTuple):
    """What the streams hold: how many entries, the oldest and the newest. From `complete_from` on nothing was trimmed
    from any stream; None when nothing ever was. `gone` counts the entries that were trimmed or deleted, None when the
    server does not know (Redis before 7.0)."""

    entries: int
    oldest: Place | None
    newest: Place | None
    complete_from: Place | None
    gone: int | None


def reach_from(infos: Mapping[int, Mapping[str, Any]]) -> Reach:
    """From what `XINFO STREAM` says of each stream that there is, by its number."""
    oldest = [Place.of(n, info["first-entry"][0]) for n, info in infos.items() if info["first-entry"]]
    newest = [Place.of(n, info["last-entry"][0]) for n, info in infos.items() if info["last-entry"]]
    length = sum(int(info["length"]) for info in infos.values())
    gone = {n: int(info["entries-added"]) - int(info["length"]) for n, info in infos.items() if "entries-added" in info}
    from_here: list[Place] = []
    for n, info in infos.items():
        if gone.get(n) == 0:
            continue
        if info["first-entry"]:
            first = Place.of(n, info["first-entry"][0])
            from_here.append(first if first.seq else Place.moment(first.ms))
        elif gone.get(n):
            from_here.append(Place.moment(Place.of(n, info["last-generated-id"]).ms + 1))
    return Reach(
        entries=length,
        oldest=min(oldest, default=None),
        newest=max(newest, default=None),
        complete_from=max(from_here, default=None),
        gone=sum(gone.values()) if len(gone) == len(infos) else None,
    )
