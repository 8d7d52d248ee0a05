"""What a replay has done, in lines for a person, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from connectors.times import to_the_second
from flows.replaying.request import Request
from flows.replaying.tally import Summary


def text_lines(summary: Summary, request: Request, streams: Sequence[str], recovery: Path) -> Iterator[str]:
    """What was written, and what to do next."""
    total = sum(summary.written.values())
    views = ", ".join(f"{name} {count:,}" for name, count in summary.written.items())
    where = " … ".join(dict.fromkeys((streams[0], streams[-1])))
    yield f"replay {request.name}: {total:,} records written to {where}" + (f" ({views})" if views else "")
    letters = f", {summary.letters:,} dead letters" if summary.letters else ""
    yield f"  {summary.read:,} changes read, {summary.left_out:,} duplicates left out{letters}"
    span = " to ".join(to_the_second(at_ms) for at_ms in (summary.from_ms, summary.until_ms) if at_ms)
    yield f"  {span or 'nothing was read'}, in {summary.took_s:.1f} s"
    if not summary.finished:
        yield "  stopped before its end: the same command goes on from here"
    elif request.into:
        yield "  start the job as usual: it reads the collections once more and writes only what differs"
    else:
        yield (
            f"  read it with any client, or let a job go on after it: `dbwatch run -r {recovery}` with a "
            "DBWATCH_PREFIX of its own and the same configuration"
        )


def json_line(summary: Summary) -> str:
    return orjson.dumps(summary._asdict()).decode()
