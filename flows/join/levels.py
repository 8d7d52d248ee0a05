"""State that is kept as a log in slots, so that what an epoch writes depends on what changed in it and not on what is
kept.

The engine writes a state whole in each epoch that touched it, and keeps only the newest. So a shard's state is written
as many, its slots. An epoch in which something changed writes one of them: mostly the next `fresh` one, with what
changed in this epoch; when these are used up, the next `recent` one, with all that changed since the last of them, and
the fresh ones begin again; when those are used up or hold as much as is kept, `base`, with everything. A slot that is
not needed any more is left as it is until its turn comes again. Read back in the order in which they were written, from
`base` on, they give the state. So a change is written about once in each of three levels, whatever is kept (a
log-structured merge tree, O'Neil et al., 1996).

Everything waits while an epoch ends. So what is to be written is made ready meanwhile, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from flows.join import blobs
from flows.join.blobs import Chunk
from flows.join.parts import Part, merge

FRESH = 8
"""So many slots for what changed in one epoch."""

RECENT = 16
"""So many for what changed in `FRESH` epochs or so."""

SLOTS = (*(f"fresh_{i}" for i in range(FRESH)), *(f"recent_{i}" for i in range(RECENT)), "base")
"""Names that state is kept under: a later version must not change them."""

BASE = len(SLOTS) - 1

FRESH_SHARE = 4
"""Fresh ones are gathered early, too, when they hold one entity for so many that are kept."""

RECENT_SHARE = 1
"""And so are the recent ones, into `base`."""

CHUNK = 32
"""So many changes are made ready to be written at once."""

GATHERED = 128
"""So many entities that have not changed, at once: less than a millisecond."""


class _Blob:
    """What a slot will hold: chunks, which are to be read in their order, and what is still to be `gathered` for it:
    names for `base`, changes otherwise.
    """

    __slots__ = ("chunks", "gathered", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.chunks: list[bytes] = []
        self.gathered: dict[str, Iterator[Any]] = {}

    def add(self, chunk: Chunk) -> None:
        self.chunks.append(blobs.packed(chunk))


class Levels:
    """The parts of one shard: which slot is to be written when the epoch ends, and reading them back.

    Who writes it comes to the epoch's end later than who makes the changes, and changes of the next epoch may come in
    between. So the first of these makes up what is still to be written of the epoch before.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = parts
        self._all = tuple(parts.values())
        self._is_written = self._is_read = False  # now or before; it is a state that is read back
        self._number = self._base = 0  # of what was written last, and of the last base
        self._emptied: int | None = None
        self._used: set[int] = set()  # since base was written
        self._stagger = 0.0
        self._next_fresh = self._next_recent = 0
        self._in_recent = 0  # entities since base was written
        self._making: _Blob | None = None
        self._announced: dict[int, _Blob | bytes] = {}
        self._ended: dict[int, _Blob | bytes] = {}
        self._awaited: dict[int, bytes | None] = {}

    def stagger(self, share: float) -> None:
        """From 0 to 1, another for each shard that there is yet nothing of: they fill alike, and must not all write
        their lower levels at once.
        """
        self._stagger = share
        self._next_fresh = int(share * FRESH * RECENT) % FRESH
        self._next_recent = int(share * RECENT)

    @property
    def is_written(self) -> bool:
        """Whether it was written, or will be when the epoch ends."""
        return self._is_written

    @property
    def waits(self) -> bool:
        """Whether something that was written has not been read back yet."""
        return bool(self._awaited)

    def to_write(self) -> Sequence[int]:
        """The slots to be written when this epoch ends, each named once. Asked whenever the shard was visited.

        The first time all are written, also when there is nothing in it: it is kept by name, and its slots are waited
        for.
        """
        new: Sequence[int] = ()
        making = self._making
        if making is None:
            if self._is_written and not any(part.now for part in self._all):
                return ()
            making = self._making = self._begin(self._due() if self._is_written else BASE)
            self._announced = {making.slot: making}
            if making.slot == BASE:
                # The first time all are written, for all are read back; later those that would be read in vain.
                emptied = self._used if self._is_written else range(BASE)
                self._announced |= dict.fromkeys(emptied, blobs.emptied(self._number))
                self._is_written, self._used = True, set()
            new = tuple(self._announced)
        self.gather()
        if sum([len(part.now) for part in self._all]) >= CHUNK:
            self._add_changes(making)
        return new

    def _due(self) -> int:
        kept = sum([part.kept for part in self._all]) * (1 + self._stagger)
        fresh = sum([len(part.since) + len(part.now) for part in self._all])
        if self._next_fresh < FRESH and fresh * FRESH_SHARE <= kept:
            return self._next_fresh
        if self._next_recent < RECENT and (fresh + self._in_recent) * RECENT_SHARE <= kept:
            return FRESH + self._next_recent
        return BASE

    def _begin(self, slot: int) -> _Blob:
        blob = _Blob(slot)
        if slot < FRESH:
            self._next_fresh = slot + 1
            return blob
        if slot == BASE:
            self._next_fresh = self._next_recent = self._in_recent = 0
            blob.gathered = {name: iter(part.names()) for name, part in self._parts.items()}
        else:
            self._next_fresh, self._next_recent = 0, slot - FRESH + 1
            self._in_recent += sum([len(part.since) for part in self._all])
            blob.gathered = {name: iter(part.since.items()) for name, part in self._parts.items()}
        for part in self._all:
            part.since = {}
        return blob

    @property
    def gathers(self) -> bool:
        """Whether entities that have not changed are to be made ready to be written."""
        return self._making is not None and bool(self._making.gathered)

    def gather(self) -> None:
        """Make some of them ready."""
        if self._making is not None and self._making.gathered:
            self._gather(self._making)

    def _gather(self, blob: _Blob) -> None:
        """The next entities that are gathered from other slots, as they are now."""
        name, gathered = next(iter(blob.gathered.items()))
        some = list(islice(gathered, GATHERED))
        if len(some) < GATHERED:
            del blob.gathered[name]
        if some:
            part, is_all = self._parts[name], blob.slot == BASE
            blob.add((is_all, {name: part.dump_all(some) if is_all else part.dump(dict(some))}))

    def _add_changes(self, blob: _Blob) -> None:
        dumped: dict[str, Any] = {}
        for name, part in self._parts.items():
            now = part.now
            if not now:
                continue
            part.now = {}
            if blob.slot < FRESH:
                merge(part.since, now)
            elif blob.slot < BASE:
                self._in_recent += len(now)
            else:
                now = dict.fromkeys(now, True)  # what they would be parts of may come later
            dumped[name] = part.dump(now)
        if dumped:
            blob.add((False, dumped))

    def _made(self, blob: _Blob | bytes) -> bytes:
        if isinstance(blob, bytes):
            return blob
        while blob.gathered:
            self._gather(blob)
        self._add_changes(blob)
        self._number += 1
        if blob.slot == BASE:
            self._base = self._number
        else:
            self._used.add(blob.slot)
        return blobs.written(self._number, blob.chunks)

    def forget(self) -> None:
        """Nothing will be written of what has changed."""
        for part in self._all:
            part.now.clear()

    def end_epoch(self) -> None:
        """What was announced is of an epoch that has ended."""
        self._ended |= self._announced
        self._announced, self._making = {}, None

    def begin_epoch(self) -> None:
        """Before any change: what is still to be written of an epoch that has ended must not show it."""
        if self._ended:
            self._ended = {slot: self._made(blob) for slot, blob in self._ended.items()}

    def written(self, slot: int) -> bytes:
        """What the slot holds at the end of the epoch.

        When its input ends, the engine asks for slots that were not announced, too, and for all of them: from then on
        `base` holds everything and the others nothing.
        """
        for announced in (self._ended, self._announced):
            if slot in announced:
                if self._making is announced[slot]:
                    self._making = None
                return self._made(announced.pop(slot))
        if self._emptied is None:
            self._finish()
            if self._base != self._number:
                self._ended[BASE] = self._made(self._begin(BASE))
            self._emptied = self._base
        if slot in self._ended:
            return self._made(self._ended.pop(slot))
        return self._made(self._begin(BASE)) if slot == BASE else blobs.emptied(self._emptied)

    def _finish(self) -> None:
        """What is being made must not come after what will be made next."""
        self._making = None
        self._ended = {slot: self._made(blob) for slot, blob in self._ended.items()}
        self._announced = {slot: self._made(blob) for slot, blob in self._announced.items()}

    def expect(self) -> None:
        """What was written will be read back. Raises `RuntimeError` when the shard is at work already."""
        if self._is_read:
            return
        if self._is_written or any(part.kept or part.now for part in self._all):
            raise RuntimeError("the state of a shard came back when the shard was at work already")
        self._is_written = self._is_read = True
        self._awaited = dict.fromkeys(range(len(SLOTS)))

    def restore(self, slot: int, written: bytes) -> bool:
        """Take back a slot, each once; whether that was the last of them, and the state is whole again. Raises
        `ValueError` when one is missing that the others build on.
        """
        self.expect()
        self._awaited[slot] = written
        if slot == BASE:
            self._base = blobs.number_of(written)
            self._load(BASE, written)
        if slot == BASE or self._base:
            # Millions of rows are being read: what is not needed any more must not stay.
            self._awaited |= {
                each: blobs.head_of(blob) for each, blob in self._awaited.items() if blob and self._is_old(blob)
            }
        if None in self._awaited.values():
            return False
        read = {slot: blob or b"" for slot, blob in self._awaited.items()}
        if any(blobs.is_emptied(blob) and blobs.number_of(blob) > self._base for blob in read.values()):
            raise ValueError(
                f"the state of a shard is not whole: its base is number {self._base}, and later ones empty"
            )
        self._awaited = {}
        for number, each in sorted((blobs.number_of(blob), each) for each, blob in read.items()):
            blob = read.pop(each)
            if each != BASE and not self._is_old(blob):
                self._load(each, blob)
            self._number = number
            if not blobs.is_emptied(blob):
                self._used.add(each)
        self._used.discard(BASE)
        return True

    def _is_old(self, blob: bytes) -> bool:
        """Whether `base` has all that is in it."""
        return blobs.is_emptied(blob) or blobs.number_of(blob) <= self._base

    def _load(self, slot: int, blob: bytes) -> None:
        for part in self._all:
            part.since = {} if slot >= FRESH else part.since
        count = 0
        for is_all, dumped in blobs.chunks_of(blob):
            for name, some in dumped.items():
                part = self._parts[name]
                if is_all:
                    part.load_all(some)
                    continue
                part.load(some)
                changes = part.changes_of(some)
                count += len(changes)
                if slot < FRESH:
                    merge(part.since, changes)
        if slot < FRESH:
            self._next_fresh = slot + 1
        elif slot < BASE:
            self._next_fresh, self._next_recent = 0, slot - FRESH + 1
            self._in_recent += count
        else:
            self._next_fresh = self._next_recent = self._in_recent = 0
