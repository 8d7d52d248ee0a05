"""Dead letters as lines for people and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from connectors.letters import Letter
from connectors.times import to_the_second

_WIDEST_KEY = 28


def table(letters: Sequence[Letter]) -> list[str]:
    """A head and a line for each letter; the error comes last, however long it is."""
    rows = [("id", "set aside", "stage", "collection", "key", "op", "error"), *map(_cells, letters)]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:6], widths, strict=True)), row[6]]) for row in rows
    ]


def json_line(letter: Letter) -> str:
    """One JSON object with everything."""
    return orjson.dumps(_everything(letter)).decode()


def whole(letter: Letter) -> str:
    """Everything, with the event laid out."""
    fields = _everything(letter)
    event = orjson.dumps(fields.pop("event"), option=orjson.OPT_INDENT_2).decode()
    width = max(map(len, fields))
    return "\n".join([*(f"{name.ljust(width)}  {value}" for name, value in fields.items()), "event", event])


def _cells(found: Letter) -> tuple[str, ...]:
    letter = found.letter
    key = letter.key or "(not decodable)"
    short = key if len(key) <= _WIDEST_KEY else key[: _WIDEST_KEY - 1] + "…"
    return found.id, to_the_second(found.at_ms), letter.stage, letter.collection, short, letter.op, letter.error


def _everything(found: Letter) -> dict[str, Any]:
    letter = found.letter
    fields = {"id": found.id, "at": to_the_second(found.at_ms), **letter._asdict()}
    return fields | {"event": _value(letter.event)}


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text
