"""What `dbwatch verify` prints, as text to read and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from connectors.rows import iso_of_ms
from flows.verify.judging import Counts, Difference, Report

_MOST_PATHS = 6
_TOLD = (
    ("missing", "in the database, not in the feed"),
    ("stale", "differ from the database"),
    ("extra", "in the feed, not in the database"),
    ("trimmed", "may have been trimmed from the stream; not drift"),
    ("changing", "changed at every look; not compared"),
    ("unreadable", "cannot be written as records"),
)


def text_lines(report: Report) -> Iterator[str]:
    """The differences that are described, the counts of each view, and the outcome."""
    for difference in report.differences:
        yield _difference(difference)
    hidden = report.drift - len(report.differences)
    if hidden > 0:
        yield f"… and {hidden:,} more; --sample {report.drift} names all"
    for view, counts in report.views.items():
        yield from _counts(view, counts)
    if report.strays:
        yield f"{report.strays:,} entries of the streams are no records of this feed; they were passed over"
    yield from _job(report)
    yield _outcome(report)


def json_line(report: Report) -> str:
    """The whole report as one JSON object."""
    views = {name: counts._asdict() for name, counts in report.views.items()}
    differences = [difference._asdict() for difference in report.differences]
    whole = report._asdict() | {"views": views, "differences": differences, "drift": report.drift}
    return orjson.dumps(whole | {"seconds": round(report.seconds, 3)}).decode()


def _difference(difference: Difference) -> str:
    letter = f"; dead letter {difference.letter}" if difference.letter else ""
    return f"{_what(difference)}{letter}"


def _what(difference: Difference) -> str:
    line = f"{difference.view} {difference.key} {difference.kind}"
    if difference.kind == "missing":
        return f"{line}: {'its last record is a delete' if difference.entry else 'no record'}"
    if difference.kind == "stale":
        return f"{line}: {_paths(difference.paths)} (record {difference.entry})"
    return f"{line}: no such row (record {difference.entry})"


def _paths(paths: tuple[str, ...] | None) -> str:
    if paths is None:
        return "changed since"
    if not paths:
        return "equal by now"
    more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
    return ", ".join(paths[:_MOST_PATHS]) + more


def _counts(view: str, counts: Counts) -> Iterator[str]:
    told = _told(counts)
    yield f"{view}: {counts.rows:,} row{'' if counts.rows == 1 else 's'}{'' if told else ', all as in the feed'}"
    for count, meaning in told:
        yield f"  {count:,} {meaning}"


def _told(counts: Counts) -> list[tuple[int, str]]:
    found = counts._asdict()
    return [(found[kind], f"{kind}: {meaning}") for kind, meaning in _TOLD if found[kind]]


def _job(report: Report) -> Iterator[str]:
    if report.job == "running":
        return
    line = "no job runs"
    if report.feed_ms is not None:
        behind_s = max(0, report.at_ms - report.feed_ms) // 1000
        line += f": the feed ends at {iso_of_ms(report.feed_ms)}, {age(behind_s)} before this"
    if report.drift:
        line += "; what changed since the last one is among the differences until a job has written it"
    yield line


def _outcome(report: Report) -> str:
    took = f"{report.entries:,} records, {report.seconds:.1f} s"
    at = iso_of_ms(report.at_ms)
    if report.drift:
        return f"drift: {report.drift:,} of the keys differ, as of {at} ({took})"
    return f"no drift, as of {at} ({took})"


def age(seconds: int) -> str:
    """A duration in its largest whole unit."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return f"{seconds} s"
