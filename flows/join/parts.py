"""The parts of a shard's state: collections of entities that know which of them changed and are to be written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

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


def merge(to: Changes, more: Changes) -> None:
    """Add more changes; what changed as a whole stays so."""
    for key, is_whole in more.items():
        if is_whole or key not in to:
            to[key] = is_whole
