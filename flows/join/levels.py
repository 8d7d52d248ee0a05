"""State that is kept in levels, so that what an epoch writes depends on what changed in it and not on what is kept.

The engine writes a state whole in each epoch that touched it, and keeps only the newest. So a shard's state is written
as three: `base` holds everything as it was when it was last written, `recent` what changed since, `fresh` what changed
since `recent` was written. Reading them in this order gives the state. When a level has grown to a share of what is
below it, it is added to the level below, which is written again: a change is written a few times in all, whatever is
kept (the log-structured merge tree's way, O'Neil et al., 1996).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

FRESH, RECENT, BASE = range(3)
LEVELS = ("fresh", "recent", "base")
"""Names that state is kept under: a later version must not change them."""

FEW = 64
"""So many changed entities of a shard are no reason to write the level below."""

FRESH_SHARE = 16
"""The fresh ones are added to `recent` when there is one of them for so many that are kept; see `stagger`."""

RECENT_SHARE = 2
"""The recent ones are added to `base` when there is one of them for so many that are kept; see `stagger`."""


class Part(Protocol):
    """Entities of one kind in a shard. `fresh` and `recent` are the keys of those that changed since; `changed` says
    whether any did since it was last set to False.
    """

    fresh: set[Any]
    recent: set[Any]
    changed: bool

    def __len__(self) -> int: ...

    def dump(self, keys: Iterable[Any] | None) -> Any:
        """These entities, the missing ones too, or all (None), as a value that can be pickled."""
        ...

    def load(self, dumped: Any, *, whole: bool) -> None:
        """Take in what `dump` gave; `whole`: of all entities, and there are none yet."""
        ...

    def keys_of(self, dumped: Any) -> Iterable[Any]:
        """The keys of the entities in what `dump` gave for some of them."""
        ...


E = TypeVar("E")


class Table(dict[str, E]):
    """Entities by key, which are immutable values. `pack` makes a quickly pickled value of one, `unpack` undoes it; an
    entity that is quickly pickled itself needs neither.
    """

    def __init__(self, pack: Callable[[E], Any] | None = None, unpack: Callable[[Any], E] | None = None) -> None:
        super().__init__()
        self._pack = pack
        self._unpack = unpack
        self.fresh: set[Any] = set()
        self.recent: set[Any] = set()
        self.changed = False

    def put(self, key: str, entity: E | None) -> None:
        """Keep this; None lets it go."""
        if entity is None:
            self.pop(key, None)
        else:
            self[key] = entity
        self.fresh.add(key)
        self.changed = True

    def dump(self, keys: Iterable[Any] | None) -> dict[str, Any]:
        get, pack = self.get, self._pack
        found: dict[str, Any] = dict(self) if keys is None else {key: get(key) for key in keys}
        if pack is not None:
            return {key: None if entity is None else pack(entity) for key, entity in found.items()}
        return found

    def load(self, dumped: Any, *, whole: bool) -> None:
        unpack = self._unpack
        for key, entity in dumped.items():
            if entity is not None:
                self[key] = entity if unpack is None else unpack(entity)
            elif not whole:
                self.pop(key, None)

    def keys_of(self, dumped: Any) -> Iterable[Any]:
        return dumped


class Pairs(dict[str, dict[str, None]]):
    """Members by key, in the order in which they came; what changes, and is written, is one member. None is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: set[Any] = set()
        self.recent: set[Any] = set()
        self.changed = False

    def add(self, key: str, member: str) -> None:
        members = self.get(key)
        if members is None:
            self[key] = {member: None}
        elif member in members:
            return
        else:
            members[member] = None
        self.fresh.add((key, member))
        self.changed = True

    def discard(self, key: str, member: str) -> None:
        members = self.get(key)
        if members is None or member not in members:
            return
        del members[member]
        if not members:
            del self[key]
        self.fresh.add((key, member))
        self.changed = True

    def dump(self, keys: Iterable[Any] | None) -> Any:
        if keys is None:
            return {key: list(members) for key, members in self.items()}
        return [(key, member, member in self.get(key, ())) for key, member in keys]

    def load(self, dumped: Any, *, whole: bool) -> None:
        if whole:
            for key, members in dumped.items():
                self[key] = dict.fromkeys(members)
            return
        for key, member, is_in in dumped:
            if is_in:
                self.setdefault(key, {})[member] = None
            elif key in self:
                self[key].pop(member, None)
                if not self[key]:
                    del self[key]

    def keys_of(self, dumped: Any) -> Iterable[Any]:
        return [(key, member) for key, member, _ in dumped]


class Levels:
    """The parts of one shard: which of their levels are to be written when the epoch ends, and reading them back.

    Who writes them comes to the epoch's end later than who makes the changes, and changes of the next epoch may come in
    between. So the first of these makes up what is still to be written of the epoch before.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self.stagger = 0.0
        """From 0 to 1, another for each shard: they fill alike, and must not all write their lower levels at once."""
        self._parts = parts
        self._all = tuple(parts.values())
        self._is_written = False
        self._announced: set[int] = set()
        self._ended: dict[int, bytes | None] = {}
        self._awaited: dict[int, bytes | None] = {}

    @property
    def waits(self) -> bool:
        """Whether something that was written has not been read back yet."""
        return bool(self._awaited)

    def to_write(self) -> Sequence[int]:
        """The levels to be written when this epoch ends, each named once. Asked whenever changes have been made."""
        changed = False
        for part in self._all:
            if part.changed:
                changed = True
                part.changed = False
        if not changed:
            return ()
        due = {FRESH} if self._is_written else {FRESH, RECENT, BASE}
        self._is_written = True
        fresh = sum(len(part.fresh) for part in self._all)
        if fresh > FEW:
            kept = sum(map(len, self._all)) * (1 + self.stagger)
            if fresh * FRESH_SHARE > kept:
                due.add(RECENT)
                for part in self._all:
                    part.recent |= part.fresh
                    part.fresh.clear()
                if sum(len(part.recent) for part in self._all) * RECENT_SHARE > kept:
                    due.add(BASE)
                    for part in self._all:
                        part.recent.clear()
        new = due - self._announced
        self._announced |= new
        return tuple(new)

    def end_epoch(self) -> None:
        """What was announced is of an epoch that has ended."""
        self._ended |= dict.fromkeys(self._announced)
        self._announced.clear()

    def begin_epoch(self) -> None:
        """Before any change: what is still to be written of an epoch that has ended must not show it."""
        if self._ended:
            self._ended = {level: self._dump(level) if dump is None else dump for level, dump in self._ended.items()}

    def written(self, level: int) -> bytes:
        """The level as it was at the end of the epoch."""
        self._announced.discard(level)
        return self._ended.pop(level, None) or self._dump(level)

    def _dump(self, level: int) -> bytes:
        parts = self._parts.items()
        match level:
            case 0:
                dumped = {name: part.dump(part.fresh) for name, part in parts}
            case 1:
                dumped = {name: part.dump(part.recent) for name, part in parts}
            case _:
                dumped = {name: part.dump(None) for name, part in parts}
        return pickle.dumps(dumped, pickle.HIGHEST_PROTOCOL)

    def expect(self) -> None:
        """What was written will be read back."""
        if not self._is_written:
            self._is_written = True
            self._awaited = dict.fromkeys((FRESH, RECENT, BASE))

    def restore(self, level: int, written: bytes) -> bool:
        """Take back a level, each once; whether that was the last of them, and the state is whole again."""
        self.expect()
        self._awaited[level] = written
        if None in self._awaited.values():
            return False
        for number in (BASE, RECENT, FRESH):
            dumped: Mapping[str, Any] = pickle.loads(self._awaited[number] or b"")  # noqa: S301  # our own bytes
            for name, part in self._parts.items():
                part.load(dumped[name], whole=number == BASE)
                if number != BASE:
                    (part.fresh if number == FRESH else part.recent).update(part.keys_of(dumped[name]))
        self._awaited = {}
        return True
