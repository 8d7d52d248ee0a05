"""Joined rows as text, and what differs between two of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from connectors.rows import changed_paths, leaf_paths, loads
from flows.join.messages import Answer


def joined(row: str, names: Sequence[str], answers: Iterable[Answer]) -> str:
    """The row's JSON text with one field for each lookup, by name, at its end."""
    fields = ",".join(f'"{name}":{answer.text}' for name, answer in zip(names, answers, strict=True))
    return f"{row[:-1]}{',' if len(row) > 2 else ''}{fields}}}"


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
    return () if old.text == new.text else _changed_by_text(name, old.text, new.text)


@lru_cache(maxsize=256)  # every subscriber of a foreign key sees the same change
def _changed_by_text(name: str, old: str, new: str) -> tuple[str, ...]:
    return tuple(changed_paths({name: loads(old)}, {name: loads(new)}))
