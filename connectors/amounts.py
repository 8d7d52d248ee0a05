"""Sizes and durations in words. Pure."""

from __future__ import annotations


def size_text(count: float) -> str:
    """Bytes in the unit that suits."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def brief_span(seconds: float) -> str:
    """A duration in one number and the unit that says it best: `45 s`, `12 min`, `31 h`, `9 days`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 entry`, `1,234 entries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
