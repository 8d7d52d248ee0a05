"""What the filter's bar asks: how a text is understood, what a click makes of it, and which filters a person keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.errors import ConfigError
from connectors.rows import loads
from connectors.saved_filters import SavedFilters
from dashboard.asks import Ask
from dashboard.filters import (
    FilterError,
    SavedFilter,
    parse,
    parts_of,
    turned,
    with_field,
    with_shown,
    without,
)
from dashboard.filters.parser import LONGEST


async def check(ask: Ask) -> object:
    """`text` -> how it is understood, or where it is not."""
    return _understood(_text(ask.args, "text"))


async def begin(ask: Ask) -> object:
    """`text`, or null for the filter that the visitor applied last, which need not parse any more -> as `check`."""
    if ask.args.get("text") is not None:
        return _understood(_text(ask.args, "text"))
    last = _understood(await _saved(ask).last(ask.visitor.name))
    return last if last["ok"] else _understood("")


async def keep(ask: Ask) -> object:
    """`text` is what the visitor has applied."""
    await _saved(ask).set_last(ask.visitor.name, str(parse(_text(ask.args, "text"))))
    return {}


async def add(ask: Ask) -> object:
    """`text`, `path`, `negate`, and a value -> as `check`, with the condition added. The value is `value` itself, its
    JSON in `json` (a browser would round large numbers), or `shown`, the text that people see of it."""
    text, path, negate = _text(ask.args, "text"), _text(ask.args, "path"), ask.args.get("negate") is True
    if "shown" in ask.args:
        return _understood(with_shown(text, path, _text(ask.args, "shown"), negate=negate))
    value = _decoded(_text(ask.args, "json")) if "json" in ask.args else ask.args.get("value")
    return _understood(with_field(text, path, value, negate=negate))


async def remove(ask: Ask) -> object:
    """`text`, `index` -> as `check`, without the part at this place."""
    return _understood(without(_text(ask.args, "text"), _index(ask.args)))


async def turn(ask: Ask) -> object:
    """`text`, `index` -> as `check`, with the part at this place turned round."""
    return _understood(turned(_text(ask.args, "text"), _index(ask.args)))


async def saved(ask: Ask) -> object:
    """The visitor's filters, by name."""
    found = await _saved(ask).of(ask.visitor.name)
    return {"filters": [{"name": name, "text": text} for name, text in found.items()]}


async def save(ask: Ask) -> object:
    """`name`, `text` -> as `saved`, with it."""
    new = SavedFilter.checked(_text(ask.args, "name"), _text(ask.args, "text"))
    await _saved(ask).save(ask.visitor.name, new.name, new.text)
    return await saved(ask)


async def delete(ask: Ask) -> object:
    """`name` -> as `saved`, without it."""
    await _saved(ask).delete(ask.visitor.name, _text(ask.args, "name"))
    return await saved(ask)


def _understood(text: str) -> dict[str, object]:
    try:
        asked = parse(text)
    except FilterError as exc:
        found = {"at": exc.at, "expected": exc.expected, "found": exc.found, "message": str(exc)}
        return {"ok": False, "text": text[:LONGEST], **found}
    written = str(asked)
    return {"ok": True, "text": written, "parts": [part._asdict() for part in parts_of(written)]}


def _saved(ask: Ask) -> SavedFilters:
    return SavedFilters(ask.redis, ask.keys)


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"`{name}` must be a text; {type(value).__name__} was sent")
    return value


def _decoded(text: str) -> Any:
    try:
        return loads(text)
    except ValueError as exc:
        raise ConfigError("`json` must be the JSON of a value; something else was sent") from exc


def _index(args: Mapping[str, Any]) -> int:
    value = args.get("index")
    if type(value) is not int:
        raise ConfigError(f"`index` must be a whole number; {type(value).__name__} was sent")
    return value
