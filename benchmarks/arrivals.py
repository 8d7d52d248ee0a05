"""When entries came into the feed: a consumer that is blocked on XREAD, as a process of its own.

`python -m benchmarks.arrivals JOB`, where JOB is the JSON of a `Job`, says `ready` when it follows the stream. Each
line that it is told, it answers: how many changes of rows themselves have come, and how many that lookups caused. When
its standard input ends, it leaves what came in the file `out`.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson
from redis import Redis

from benchmarks.marks import newest
from benchmarks.trace import Arrived

_BLOCK_MS = 100
_COUNT = 2000
_COLLECTION_OF = {b"movie": "movies", b"user": "users"}


class Job(NamedTuple):
    url: str
    stream: str
    out: str


class _Counts:
    """How many entries have come that carry a number."""

    own = 0
    caused = 0


def _follow(job: Job, counts: _Counts, end: threading.Event) -> Arrived:
    arrived = Arrived([], [], [], [])
    with Redis.from_url(job.url, protocol=2) as client:
        client.set_response_callback("XREAD", _as_it_came)
        after = _last_id(client, job.stream)
        print("ready", flush=True)
        while True:
            last_look = end.is_set()
            reply = cast("list[Any] | None", client.xread({job.stream: after}, count=_COUNT, block=_BLOCK_MS))
            now_ns = time.time_ns()
            entries: list[tuple[bytes, list[bytes]]] = reply[0][1] if reply else []
            for entry_id, flat in entries:
                _take(arrived, entry_id.decode(), dict(zip(flat[::2], flat[1::2], strict=True)), now_ns)
                if arrived.numbers[-1] >= 0:
                    counts.own += not arrived.caused[-1]
                    counts.caused += arrived.caused[-1]
            if entries:
                after = entries[-1][0].decode()
            elif last_look:
                return arrived


def _as_it_came(reply: Any, **_: Any) -> Any:
    return reply


def _take(arrived: Arrived, entry_id: str, fields: dict[bytes, bytes], now_ns: int) -> None:
    cause = fields.get(b"cause")
    collection = fields[b"view"].decode() if cause is None else _COLLECTION_OF[cause]
    arrived.ids.append(entry_id)
    arrived.numbers.append(newest(fields.get(b"after", b""), collection))
    arrived.caused.append(cause is not None)
    arrived.read_ns.append(now_ns)


def _last_id(client: Redis, stream: str) -> str:
    newest_entry = cast("list[tuple[bytes, Any]]", client.xrevrange(stream, count=1))
    return newest_entry[0][0].decode() if newest_entry else "0-0"


def main() -> int:
    job = Job(**orjson.loads(sys.argv[1]))
    counts, end = _Counts(), threading.Event()

    def answer() -> None:
        for _ in sys.stdin:
            print(counts.own, counts.caused, flush=True)
        end.set()

    threading.Thread(target=answer, daemon=True).start()
    Path(job.out).write_bytes(orjson.dumps(_follow(job, counts, end)._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
