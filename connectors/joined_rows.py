"""Joined rows as text: their own part, the lookups' answers, and what differs between two of them. Pure.

The live join, its check against the database and the archive's past make their rows here, so that they are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from connectors.rows import changed_paths, dumps, leaf_paths, loads, project, without

NONE = "null"
"""The answer that there is no such row, as it stands in a joined row."""

Answer = tuple[int, str | None, str | None, str]
"""What a foreign key leads to: `(n, foreign key, position, text)`.

`n` counts the changes applied to the foreign key's rows; it orders the answers of one foreign key. `position` is that
of the joined row's version, None when there is no such row; `text` its chosen fields, or `NONE`. A plain tuple, for it
stands in the state of every row, and plain tuples are pickled several times faster than named ones.
"""

NO_REFERENCE: Answer = (0, None, None, NONE)
"""The answer for a row that refers to nothing."""


class OwnPart:
    """A row's own part of a joined row: only `fields`, None for all, and nothing where a lookup's answer stands."""

    __slots__ = ("_fields", "_marks", "_names")

    def __init__(self, names: Sequence[str], fields: Sequence[str] | None) -> None:
        self._names = tuple(names)
        self._marks = tuple(f'"{name}":' for name in names)  # how a field of a lookup's name would stand in a row
        self._fields = fields

    def of(self, text: str) -> str:
        """That part of a row's JSON text."""
        for mark in self._marks:
            if mark in text:
                break
        else:
            if self._fields is None:
                return text
        names = [name for name, mark in zip(self._names, self._marks, strict=True) if mark in text]
        row = loads(text)
        if self._fields is not None:
            row = project(row, self._fields)
        return dumps(without(row, names) if names else row)


def joints(names: Sequence[str]) -> tuple[str, ...]:
    """What comes before each lookup's answer in a joined row."""
    return tuple(f',"{name}":' for name in names)


def joined(row: str, joints: Sequence[str], answers: Sequence[Answer]) -> str:
    """The row's JSON text with one field for each lookup at its end; `joints` are those of their names."""
    text = row[:-1]
    for joint, answer in zip(joints, answers, strict=True):
        text += joint + answer[3]
    return text + "}" if len(row) > 2 else "{" + text[2:] + "}"


def changed_between(before: str | None, after: str | None, named: tuple[str, ...] | None) -> tuple[str, ...]:
    """The leaf paths in which the rows differ or, when one is unknown, those that the source named.

    A source that names nothing has replaced the whole row.
    """
    if before is not None and after is not None:
        return tuple(changed_paths(loads(before), loads(after)))
    if named is not None or after is None:
        return named or ()
    return tuple(leaf_paths(loads(after), ""))


def changed_by_answer(name: str, old: Answer, new: Answer) -> tuple[str, ...]:
    """The leaf paths of a joined row that differ because one lookup's answer changed."""
    return () if old[3] == new[3] else _changed_by_text(name, old[3], new[3])


@lru_cache(maxsize=256)  # every subscriber of a foreign key sees the same change
def _changed_by_text(name: str, old: str, new: str) -> tuple[str, ...]:
    return tuple(changed_paths({name: loads(old)}, {name: loads(new)}))
