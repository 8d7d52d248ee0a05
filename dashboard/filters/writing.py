"""A condition as the text that people read and edit; `parser.condition_of` makes an equal one of it. Pure."""

from __future__ import annotations

import unicodedata

from connectors.summaries import OPS
from dashboard.filters.conditions import (
    All,
    Any,
    Cause,
    Changed,
    Compare,
    Condition,
    Exists,
    Flag,
    Key,
    Moment,
    Not,
    Null,
    Number,
    Operation,
    Operator,
    Text,
    Value,
    View,
    Words,
)
from dashboard.filters.literals import literal_of
from dashboard.filters.parser import ANY_CAUSE, KEYWORDS, NO_CAUSE, SIGN_CHARACTERS
from dashboard.filters.scanner import Scanner, ends_value

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def text_of(condition: Condition | None) -> str:
    """The text of a condition, empty for none."""
    match condition:
        case None:
            return ""
        case Any(conditions):
            return " or ".join(text_of(part) for part in conditions)
        case All(conditions):
            return " ".join(_inner(part) if isinstance(part, Any) else text_of(part) for part in conditions)
        case Not(Cause(None)):
            return f"cause:{NO_CAUSE}"
        case Not(inner):
            return f"-{_inner(inner)}"
        case Words(text):
            return _word(text)
        case Compare(path, operator, value):
            return f"{_word(path)} {operator} {_literal(operator, value)}"
        case Exists(path):
            return f"{_word(path)} exists"
        case View() | Operation() | Key() | Cause() | Changed():
            return _qualified(condition)


def quoted(text: str) -> str:
    """The text in quotes. Controls, and characters that turn the direction of what follows, are written as codes."""
    return f'"{"".join(_ESCAPES.get(char) or _shown(char) for char in text)}"'


def _inner(condition: Condition) -> str:
    text = text_of(condition)
    return f"({text})" if isinstance(condition, All | Any) else text


def _qualified(condition: View | Operation | Key | Cause | Changed) -> str:
    match condition:
        case View(name):
            return f"view:{_value(name)}"
        case Operation(op):
            return f"op:{OPS[op]}"
        case Key(text):
            return f"key:{_value(text)}"
        case Cause(lookup):
            if lookup is None:
                return f"cause:{ANY_CAUSE}"
            reserved = lookup == ANY_CAUSE or lookup.lower() == NO_CAUSE
            return f"cause:{quoted(lookup) if reserved else _value(lookup)}"
        case Changed(path):
            return f"changed:{_value(path)}"


def _word(text: str) -> str:
    """A path, or a text that is searched for."""
    bare = text.lower() not in KEYWORDS and not text.startswith("-") and Scanner(text).word() == text
    return text if text and bare and text.isprintable() else quoted(text)


def _value(text: str) -> str:
    return text if text and text.isprintable() and not any(map(ends_value, text)) else quoted(text)


def _literal(operator: Operator, value: Value) -> str:
    match value:
        case Text(text):
            plain = operator in ("~", "!~") or literal_of(text) == value
            return _value(text) if plain and text.strip(SIGN_CHARACTERS) else quoted(text)
        case Number(number):
            return repr(number)
        case Moment(text):
            return text
        case Flag(flag):
            return "true" if flag else "false"
        case Null():
            return "null"


def _shown(char: str) -> str:
    coded = char in _TURNING or unicodedata.category(char) in ("Cc", "Zl", "Zp")
    return f"\\u{ord(char):04x}" if coded else char
