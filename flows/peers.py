"""The processes of a cluster, each of which tells the others once a second that it lives and how it ends: the end of
one is the end of all. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import orjson

from connectors.ending import Ending
from connectors.errors import PeerEnded
from connectors.process_ids import ProcessId

SILENT_S = 30.0
"""A process on another machine that has told nothing for so long, while Redis answers us, is taken for gone."""

_GAP_S = 3.0
"""We were away ourselves, or Redis was, when as much lies between two reports that we hear."""

End = Literal["", "asked", "failed", "abandoned"]
_ENDS: tuple[End, ...] = ("", "asked", "failed", "abandoned")


class Report(NamedTuple):
    """What a process says of itself. `end`: it goes on; was asked to end; ends because of an error, in order, with a
    last snapshot; or at once, without. `done`: it does not wait for the others any more. `kind` is the error's class;
    `heard`: it is one that the process has heard of from another.
    """

    beat: int
    process: ProcessId
    end: End = ""
    done: bool = False
    status: int = 0
    error: str = ""
    kind: str = ""
    heard: bool = False

    @classmethod
    def of(cls, ending: Ending, *, beat: int, process: ProcessId, done: bool) -> Report:
        error = ending.error
        if error is None:
            return cls(beat, process, "asked" if ending.requested else "", done)
        heard = isinstance(error, PeerEnded)
        kind = error.kind if heard else type(error).__name__
        how: End = "abandoned" if ending.abandoned else "failed"
        return cls(beat, process, how, done, error.exit_status, " ".join(str(error).split()), kind, heard)

    @classmethod
    def from_json(cls, text: str) -> Report:
        fields: dict[str, Any] = orjson.loads(text)
        return cls(**fields)._replace(process=ProcessId(*fields["process"]))

    def to_json(self) -> str:
        return orjson.dumps({**self._asdict(), "process": list(self.process)}).decode()


class News(NamedTuple):
    """What the others' reports mean for us: to end in order (`asked`, or with the error `failed`), or at once."""

    end: End
    error: PeerEnded | None = None


def at_work(fields: Mapping[str, str], gone: Callable[[ProcessId], bool]) -> list[ProcessId]:
    """The processes of the run that holds the writer's lock, by the fields of `P:job`, that have not ended yet."""
    token = fields.get("writer", "")
    prefix = f"process:{token}:"
    reports = [Report.from_json(text) for name, text in fields.items() if token and name.startswith(prefix)]
    return [report.process for report in reports if not report.done and not gone(report.process)]


class Peers:
    """What one process has heard of the others of its run. Not thread-safe."""

    def __init__(self, *, run_id: str, number: int, here: ProcessId, gone: Callable[[ProcessId], bool]) -> None:
        """`here` is this process; `gone` says whether another one is certainly not there any more."""
        self._prefix = f"process:{run_id}:"
        self._number = str(number)
        self._here = here
        self._gone = gone
        self._still: dict[str, tuple[int, float]] = {}
        self._heard_s = 0.0

    @property
    def field(self) -> str:
        """Where this process's report stands in `P:job`."""
        return f"{self._prefix}{self._number}"

    def hear(self, fields: Mapping[str, str], now_s: float) -> News:
        """The worst of what the others say in the fields of `P:job`. `now_s` is of a clock that only goes forward."""
        if now_s - self._heard_s > _GAP_S:
            self._still.clear()
        self._heard_s = now_s
        news = [News("")]
        for name, text in fields.items():
            number = name.removeprefix(self._prefix)
            if number not in (name, self._number):
                news.append(self._news(number, Report.from_json(text), now_s))
        return max(news, key=lambda one: _ENDS.index(one.end))

    def _news(self, number: str, report: Report, now_s: float) -> News:
        beat, since_s = self._still.get(number, (-1, now_s))
        if report.beat != beat:
            self._still[number] = (report.beat, since_s := now_s)
        end = report.end or ("asked" if report.done else "")
        if not report.done and self._is_gone(report.process, now_s - since_s):
            end = "abandoned"
        if end not in ("failed", "abandoned"):
            return News(end)
        why = report.error or f"{report.process} is gone"
        text = why if report.heard else f"process number {number} of the job has ended: {why}"
        return News(end, PeerEnded(text, status=report.status or PeerEnded.exit_status, kind=report.kind))

    def _is_gone(self, process: ProcessId, still_s: float) -> bool:
        if self._gone(process):
            return True
        seen_from_here = process.place and (process.place, process.host) == (self._here.place, self._here.host)
        return not seen_from_here and still_s >= SILENT_S
