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

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from backports import zstd

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

_COMPRESSION = 1
"""Of Zstandard: the fastest of its usual levels."""

_NUMBER_BYTES = 8
_LENGTH_BYTES = 4
_EMPTIED, _WRITTEN = range(2)
"""What a slot holds: nothing, for it is in a `base` of this number or a higher one; or chunks."""

Changes = dict[Any, bool]
"""Keys of entities that changed; whether as a whole, or only a part of them (`Table.patch`)."""


class Part(Protocol):
    """Entities of one kind in a shard. `now` are those whose change is not ready to be written, `since` those that were
    written in fresh slots since these were last gathered.
    """

    now: Changes
    since: Changes

    @property
    def kept(self) -> int:
        """How many can be written one by one."""
        ...

    def names(self) -> Iterable[str]:
        """What `dump_all` can be asked for."""
        ...

    def dump_all(self, names: Iterable[str]) -> Any:
        """All that there is of these names, as a value that can be pickled."""
        ...

    def load_all(self, dumped: Any) -> None:
        """Take in what `dump_all` gave."""
        ...

    def dump(self, changes: Changes) -> Any:
        """These entities, the missing ones too, as a value that can be pickled."""
        ...

    def load(self, dumped: Any) -> None:
        """Take in what `dump` gave."""
        ...

    def changes_of(self, dumped: Any) -> Changes:
        """The entities in what `dump` gave."""
        ...


E = TypeVar("E")


class Table(dict[str, E]):
    """Entities by key, which are immutable values. `pack` makes a quickly pickled value of one, `unpack` undoes it; an
    entity that is quickly pickled itself needs neither. `part` gives that part of an entity that may change alone, and
    `patched` the entity with another such part.
    """

    def __init__(
        self,
        pack: Callable[[E], Any] | None = None,
        unpack: Callable[[Any], E] | None = None,
        part: Callable[[E], Any] | None = None,
        patched: Callable[[E, Any], E] | None = None,
    ) -> None:
        super().__init__()
        self._pack = pack
        self._unpack = unpack
        self._part = part
        self._patched = patched
        self.now: Changes = {}
        self.since: Changes = {}

    @property
    def kept(self) -> int:
        return len(self)

    def put(self, key: str, entity: E | None) -> None:
        """Keep this; None lets it go."""
        if entity is None:
            self.pop(key, None)
        else:
            self[key] = entity
        self.now[key] = True

    def patch(self, key: str, entity: E) -> None:
        """Keep this in place of what is kept, which differs from it only in its `part`."""
        self[key] = entity
        if key not in self.now:
            self.now[key] = False

    def names(self) -> Iterable[str]:
        return list(self)

    def dump_all(self, names: Iterable[str]) -> dict[str, Any]:
        pack = self._pack
        return {key: self[key] if pack is None else pack(self[key]) for key in names if key in self}

    def load_all(self, dumped: Any) -> None:
        unpack = self._unpack
        self.update(dumped if unpack is None else {key: unpack(packed) for key, packed in dumped.items()})

    def dump(self, changes: Changes) -> tuple[dict[str, Any], dict[str, Any]]:
        """What changed as a whole, and the parts of what did not."""
        pack, part = self._pack, self._part
        wholes: dict[str, Any] = {}
        parts: dict[str, Any] = {}
        for key, is_whole in changes.items():
            entity = self.get(key)
            if not is_whole and part is not None and entity is not None:
                parts[key] = part(entity)
            else:
                wholes[key] = entity if entity is None or pack is None else pack(entity)
        return wholes, parts

    def load(self, dumped: Any) -> None:
        unpack, patched = self._unpack, self._patched
        wholes, parts = dumped
        for key, entity in wholes.items():
            if entity is None:
                self.pop(key, None)
            else:
                self[key] = entity if unpack is None else unpack(entity)
        if patched is not None:
            for key, part in parts.items():
                # If its whole was in a slot that was written anew, so is it in one that is read later.
                if key in self:
                    self[key] = patched(self[key], part)

    def changes_of(self, dumped: Any) -> Changes:
        wholes, parts = dumped
        return {**dict.fromkeys(parts, False), **dict.fromkeys(wholes, True)}


class Pairs(dict[str, dict[str, None]]):
    """Members by key, in the order in which they came; what changes, and is written, is one member. None is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = 0
        self.now: Changes = {}
        self.since: Changes = {}

    def add(self, key: str, member: str) -> None:
        if self._add(key, member):
            self.now[key, member] = True

    def discard(self, key: str, member: str) -> None:
        if self._discard(key, member):
            self.now[key, member] = True

    def _add(self, key: str, member: str) -> bool:
        members = self.get(key)
        if members is None:
            self[key] = {member: None}
        elif member in members:
            return False
        else:
            members[member] = None
        self.kept += 1
        return True

    def _discard(self, key: str, member: str) -> bool:
        members = self.get(key)
        if members is None or member not in members:
            return False
        del members[member]
        if not members:
            del self[key]
        self.kept -= 1
        return True

    def names(self) -> Iterable[str]:
        return list(self)

    def dump_all(self, names: Iterable[str]) -> dict[str, list[str]]:
        return {key: list(self[key]) for key in names if key in self}

    def load_all(self, dumped: Any) -> None:
        for key, members in dumped.items():
            self.kept += len(members) - len(self.get(key, ()))
            self[key] = dict.fromkeys(members)

    def dump(self, changes: Changes) -> list[tuple[str, str, bool]]:
        return [(key, member, member in self.get(key, ())) for key, member in changes]

    def load(self, dumped: Any) -> None:
        for key, member, is_in in dumped:
            if is_in:
                self._add(key, member)
            else:
                self._discard(key, member)

    def changes_of(self, dumped: Any) -> Changes:
        return {(key, member): True for key, member, _ in dumped}


class _Blob:
    """What a slot will hold: chunks, which are to be read in their order, and what is still to be `gathered` for it:
    names for `base`, changes otherwise.
    """

    __slots__ = ("chunks", "gathered", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.chunks: list[bytes] = []
        self.gathered: dict[str, Iterator[Any]] = {}

    def add(self, *, is_all: bool, dumped: dict[str, Any]) -> None:
        packed = zstd.compress(pickle.dumps((is_all, dumped), pickle.HIGHEST_PROTOCOL), _COMPRESSION)
        self.chunks += len(packed).to_bytes(_LENGTH_BYTES), packed


class Levels:
    """The parts of one shard: which slot is to be written when the epoch ends, and reading them back.

    Who writes it comes to the epoch's end later than who makes the changes, and changes of the next epoch may come in
    between. So the first of these makes up what is still to be written of the epoch before.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = parts
        self._all = tuple(parts.values())
        self._is_written = False
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
    def waits(self) -> bool:
        """Whether something that was written has not been read back yet."""
        return bool(self._awaited)

    def to_write(self) -> Sequence[int]:
        """The slots to be written when this epoch ends, each named once. Asked whenever changes have been made."""
        new: Sequence[int] = ()
        making = self._making
        if making is None:
            if not any(part.now for part in self._all):
                return ()
            making = self._making = self._begin(self._due() if self._is_written else BASE)
            self._announced = {making.slot: making}
            if making.slot == BASE:
                # The first time all are written, for all are read back; later those that would be read in vain.
                emptied = self._used if self._is_written else range(BASE)
                self._announced |= dict.fromkeys(emptied, _head(self._number, _EMPTIED))
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
            blob.add(is_all=is_all, dumped={name: part.dump_all(some) if is_all else part.dump(dict(some))})

    def _add_changes(self, blob: _Blob) -> None:
        dumped: dict[str, Any] = {}
        for name, part in self._parts.items():
            now = part.now
            if not now:
                continue
            part.now = {}
            if blob.slot < FRESH:
                _add(part.since, now)
            elif blob.slot < BASE:
                self._in_recent += len(now)
            else:
                now = dict.fromkeys(now, True)  # what they would be parts of may come later
            dumped[name] = part.dump(now)
        if dumped:
            blob.add(is_all=False, dumped=dumped)

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
        return b"".join((_head(self._number, _WRITTEN), *blob.chunks))

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
        return self._made(self._begin(BASE)) if slot == BASE else _head(self._emptied, _EMPTIED)

    def _finish(self) -> None:
        """What is being made must not come after what will be made next."""
        self._making = None
        self._ended = {slot: self._made(blob) for slot, blob in self._ended.items()}
        self._announced = {slot: self._made(blob) for slot, blob in self._announced.items()}

    def expect(self) -> None:
        """What was written will be read back."""
        if not self._is_written:
            self._is_written = True
            self._awaited = dict.fromkeys(range(len(SLOTS)))

    def restore(self, slot: int, written: bytes) -> bool:
        """Take back a slot, each once; whether that was the last of them, and the state is whole again. Raises
        `ValueError` when one is missing that the others build on.
        """
        self.expect()
        self._awaited[slot] = written
        if slot == BASE:
            self._base = _number(written)
            self._load(BASE, written)
        if slot == BASE or self._base:
            # Millions of rows are being read: what is not needed any more must not stay.
            self._awaited |= {
                each: _head_of(blob) for each, blob in self._awaited.items() if blob and self._is_old(blob)
            }
        if None in self._awaited.values():
            return False
        blobs = {slot: blob or b"" for slot, blob in self._awaited.items()}
        if any(_is_emptied(blob) and _number(blob) > self._base for blob in blobs.values()):
            raise ValueError(
                f"the state of a shard is not whole: its base is number {self._base}, and later ones empty"
            )
        self._awaited = {}
        for number, each in sorted((_number(blob), each) for each, blob in blobs.items()):
            blob = blobs.pop(each)
            if each != BASE and not self._is_old(blob):
                self._load(each, blob)
            self._number = number
            if not _is_emptied(blob):
                self._used.add(each)
        self._used.discard(BASE)
        return True

    def _is_old(self, blob: bytes) -> bool:
        """Whether `base` has all that is in it."""
        return _is_emptied(blob) or _number(blob) <= self._base

    def _load(self, slot: int, blob: bytes) -> None:
        for part in self._all:
            part.since = {} if slot >= FRESH else part.since
        count = 0
        for is_all, dumped in _chunks(blob):
            for name, some in dumped.items():
                part = self._parts[name]
                if is_all:
                    part.load_all(some)
                    continue
                part.load(some)
                changes = part.changes_of(some)
                count += len(changes)
                if slot < FRESH:
                    _add(part.since, changes)
        if slot < FRESH:
            self._next_fresh = slot + 1
        elif slot < BASE:
            self._next_fresh, self._next_recent = 0, slot - FRESH + 1
            self._in_recent += count
        else:
            self._next_fresh = self._next_recent = self._in_recent = 0


def _add(to: Changes, more: Changes) -> None:
    for key, is_whole in more.items():
        if is_whole or key not in to:
            to[key] = is_whole


def _head(number: int, kind: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES) + bytes((kind,))


def _head_of(blob: bytes) -> bytes:
    return blob[: _NUMBER_BYTES + 1]


def _number(blob: bytes) -> int:
    return int.from_bytes(blob[:_NUMBER_BYTES])


def _is_emptied(blob: bytes) -> bool:
    return blob[_NUMBER_BYTES] == _EMPTIED


def _chunks(blob: bytes) -> Iterator[tuple[bool, dict[str, Any]]]:
    at, view = _NUMBER_BYTES + 1, memoryview(blob)
    while at < len(blob):
        end = at + _LENGTH_BYTES + int.from_bytes(view[at : at + _LENGTH_BYTES])
        yield pickle.loads(zstd.decompress(view[at + _LENGTH_BYTES : end]))  # noqa: S301  # our own bytes
        at = end
