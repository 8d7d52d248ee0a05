"""Slots of other sizes than the shipped ones, so that short histories go through all of them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from flows import kept
from flows.join import levels


class Sizes(NamedTuple):
    """See the constants of `flows.join.levels`."""

    fresh: int = levels.FRESH
    recent: int = levels.RECENT
    share: int = levels.FRESH_SHARE
    recent_share: int = levels.RECENT_SHARE
    chunk: int = levels.CHUNK
    gathered: int = levels.GATHERED


def use(sizes: Sizes, patch: pytest.MonkeyPatch) -> None:
    names = (*(f"fresh_{i}" for i in range(sizes.fresh)), *(f"recent_{i}" for i in range(sizes.recent)), "base")
    patch.setattr(levels, "FRESH", sizes.fresh)
    patch.setattr(levels, "RECENT", sizes.recent)
    patch.setattr(levels, "SLOTS", names)
    patch.setattr(kept, "SLOTS", names)
    patch.setattr(kept, "BASE", len(names) - 1)
    patch.setattr(levels, "BASE", len(names) - 1)
    patch.setattr(levels, "FRESH_SHARE", sizes.share)
    patch.setattr(levels, "RECENT_SHARE", sizes.recent_share)
    patch.setattr(levels, "CHUNK", sizes.chunk)
    patch.setattr(levels, "GATHERED", sizes.gathered)
