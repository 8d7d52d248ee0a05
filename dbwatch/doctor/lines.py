"""The verdicts as text for a terminal of any width, and as JSON. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import orjson

from dbwatch.doctor.verdicts import Level, Verdict

_MARKS: dict[Level, str] = {"ok": "ok", "warn": "warn", "fail": "FAIL", "unknown": "?"}
_INDENT = 6
_NARROWEST = 30


def lines_of(verdict: Verdict, width: int | None) -> Iterator[str]:
    """One verdict: a mark, what was looked at, what was found; below it what mends it, which is never broken, so that
    it can be copied. `width` None: no line is broken.
    """
    text = f"{_MARKS[verdict.level]:<{_INDENT}}{verdict.check}: {' '.join(verdict.text.split())}"
    if width is None:
        yield text
    else:
        indent = " " * _INDENT
        yield from textwrap.wrap(
            text, max(width, _NARROWEST), subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
        )
    for command in verdict.mend:
        yield f"{' ' * _INDENT}> {command}"


def outcome_of(verdicts: Sequence[Verdict]) -> str:
    """The last line."""
    counts = {level: sum(verdict.level == level for verdict in verdicts) for level in _MARKS}
    parts = [f"{counts['ok']} ok"]
    if counts["warn"]:
        parts.append(f"{counts['warn']} to look at")
    if counts["fail"]:
        parts.append(f"{counts['fail']} failed")
    if counts["unknown"]:
        parts.append(f"{counts['unknown']} not allowed to see")
    return ", ".join(parts)


def json_of(verdicts: Sequence[Verdict]) -> str:
    """One JSON object: whether all is well enough to run, and every verdict."""
    failed = any(verdict.level == "fail" for verdict in verdicts)
    return orjson.dumps({"ok": not failed, "checks": [verdict._asdict() for verdict in verdicts]}).decode()
