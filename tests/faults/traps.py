"""What the proxy before Redis does at the moment at which a batch passes."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.proxy import Link, Trap, Verdict

_CALLS = (b"EVALSHA", b"EVAL", b"FCALL")


def is_batch(data: bytes) -> bool:
    """Whether a chunk begins a write of records to a stream: the sink's script, on one of the streams."""
    return any(call in data[:64] for call in _CALLS) and b":changes" in data[:512]


class _OnBatch(Trap):
    """Marks the connection on which a batch is under way, once, after letting `spare` of them pass."""

    def __init__(self, *, spare: int = 0) -> None:
        super().__init__()
        self._spare = spare

    def begins(self, link: Link, data: bytes) -> bool:
        if self.sprung.is_set() or link.marked or not is_batch(data):
            return False
        self._spare -= 1
        return self._spare < 0


class CutInBatch(_OnBatch):
    """Passes on the first half of a batch, then cuts: Redis has a part of a command, and drops it."""

    def request(self, link: Link, data: bytes) -> Verdict:
        if not self.begins(link, data):
            return Verdict.PASS
        self.sprung.set()
        return Verdict.HALVE


class LoseReply(_OnBatch):
    """Passes a batch on, and cuts when its reply comes: it was written, and the writer cannot know. `then` is called
    first.
    """

    def __init__(self, *, spare: int = 0, then: Callable[[], object] = lambda: None) -> None:
        super().__init__(spare=spare)
        self._then = then

    def request(self, link: Link, data: bytes) -> Verdict:
        if self.begins(link, data):
            link.marked = True
        return Verdict.PASS

    def reply(self, link: Link, data: bytes) -> Verdict:
        if not link.marked or self.sprung.is_set():
            return Verdict.PASS
        if data.startswith(b"-"):  # refused, nothing was written: the next one
            link.marked = False
            return Verdict.PASS
        self.sprung.set()
        self._then()
        return Verdict.CUT


class OnBatch(_OnBatch):
    """Calls `then` when a batch comes, before it is passed on."""

    def __init__(self, then: Callable[[], object], *, spare: int = 0) -> None:
        super().__init__(spare=spare)
        self._then = then

    def request(self, link: Link, data: bytes) -> Verdict:
        if not self.begins(link, data):
            return Verdict.PASS
        self.sprung.set()
        self._then()
        return Verdict.CUT
