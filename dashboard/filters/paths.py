"""What a dotted path reaches in a row. Pure.

Each step is the name of a field. A step may also be the number of an array's element; any other step is looked for in
every element. A field whose name has dots itself is reached too. Nothing here recurses, so no row is too deep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeGuard


class Path(NamedTuple):
    """A path, cut in every way: `names[i]` are the names that may come at step i, each with the step after it."""

    steps: tuple[str, ...]
    names: tuple[tuple[tuple[str, int], ...], ...]

    @classmethod
    def of(cls, text: str) -> Path:
        steps = tuple(text.split("."))
        count = len(steps)
        names = tuple(
            tuple((".".join(steps[begin:end]), end) for end in range(begin + 1, count + 1)) for begin in range(count)
        )
        return cls(steps, names)

    def reached(self, row: Any) -> Iterator[Any]:
        """Every value at the path; an array there is one value."""
        count = len(self.steps)
        todo: list[tuple[Any, int]] = [(row, 0)]
        while todo:
            value, step = todo.pop()
            if step == count:
                yield value
            elif _is_object(value):
                todo += [(value[name], after) for name, after in self.names[step] if name in value]
            elif _is_array(value):
                todo += [(item, step) for item in value if isinstance(item, dict | list)]
                number = self.steps[step]
                if number.isdecimal() and len(number) < 10 and int(number) < len(value):
                    todo.append((value[int(number)], step + 1))


def elements(values: Iterable[Any]) -> Iterator[Any]:
    """The values, of arrays their elements, also of arrays in them."""
    todo = list(values)
    while todo:
        value = todo.pop()
        if _is_array(value):
            todo += value
        else:
            yield value


def leaves(row: Any) -> Iterator[Any]:
    """Every plain value of a row, wherever it stands."""
    todo = [row]
    while todo:
        value = todo.pop()
        if _is_object(value):
            todo += value.values()
        elif _is_array(value):
            todo += value
        else:
            yield value


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def _is_array(value: Any) -> TypeGuard[list[Any]]:
    return type(value) is list
