"""Joined rows as text, and what differs between two of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from connectors.rows import changed_paths, leaf_paths, loads
from flows.join.messages import Answer


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
