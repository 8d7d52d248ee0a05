"""Lists of what comes one by one, bounded in number and in size. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def bounded(items: Iterable[T], size_of: Callable[[T], int], *, most: int, most_size: int) -> Iterator[list[T]]:
    """The items in lists of at most so many, and of at most so much together; one that is larger stays alone."""
    found: list[T] = []
    size = 0
    for item in items:
        length = size_of(item)
        if found and (len(found) == most or size + length > most_size):
            yield found
            found, size = [], 0
        found.append(item)
        size += length
    if found:
        yield found
