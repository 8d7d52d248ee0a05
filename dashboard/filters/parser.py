"""Reads the line that people type. Pure; the grammar:

    filter     = [ either ]
    either     = together { "or" together }
    together   = unary { [ "and" ] unary }
    unary      = { "-" | "not" } primary
    primary    = "(" either ")" | name ":" value | path sign value | path [ "not" ] "exists" | word | quoted
    name       = "view" | "op" | "key" | "cause" | "changed"
    sign       = "=" | "!=" | "~" | "!~" | "<" | "<=" | ">" | ">="

Keywords may be in capitals. A word ends at white space, a parenthesis, a quote, a sign or ":"; a value only at the
first three. In quotes, which may be typographic ones, `\\"`, `\\\\`, `\\n`, `\\r`, `\\t` and `\\u0000` stand for
characters. A line has at most `LONGEST` characters, `DEEPEST` levels of nesting, and paths of `MOST_STEPS` steps; the
work is linear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from connectors.changes import Op
from dashboard.filters.conditions import (
    ORDERINGS,
    Cause,
    Changed,
    Compare,
    Condition,
    Exists,
    Flag,
    Key,
    Null,
    Operation,
    Operator,
    Text,
    Value,
    View,
    Words,
    all_of,
    any_of,
    negated,
)
from dashboard.filters.errors import FilterError
from dashboard.filters.literals import literal_of
from dashboard.filters.scanner import QUOTES, Quoted, Scanner

LONGEST = 2000
DEEPEST = 20
MOST_STEPS = 32
KEYWORDS = frozenset({"or", "and", "not", "exists"})
ANY_CAUSE = "*"
NO_CAUSE = "none"
OPERATIONS: Mapping[str, Op] = {
    **{op: op for op in get_args(Op)},
    "created": "c",
    "updated": "u",
    "deleted": "d",
    "read": "r",
    "create": "c",
    "update": "u",
    "delete": "d",
}
_SIGNS = (">=", "<=", "!=", "!~", "==", "=", "~", ">", "<")
SIGN_CHARACTERS = "<>=!~"
_A_CONDITION = "a word, a text in quotes, a comparison or `(`"


def condition_of(text: str) -> Condition | None:
    """The condition that a line spells, None for an empty one; raises `FilterError`."""
    if len(text) > LONGEST:
        raise FilterError(LONGEST, f"at most {LONGEST:,} characters", f"{len(text):,}")
    parser = _Parser(text)
    return parser.whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._scan = Scanner(text)
        self._depth = 0

    def whole(self) -> Condition | None:
        self._scan.skip_space()
        if not self._scan.next:
            return None
        condition = self._either()
        if self._scan.next:
            raise self._scan.failed("another condition or the end")
        return condition

    def _either(self) -> Condition:
        found = [self._together()]
        while self._took_keyword("or"):
            found.append(self._together())
        return any_of(*found)

    def _together(self) -> Condition:
        found = [self._unary()]
        while True:
            self._scan.skip_space()
            if self._took_keyword("and"):
                found.append(self._unary())
            elif not self._scan.next or self._scan.next == ")" or self._peeked() == "or":
                return all_of(*found)
            else:
                found.append(self._unary())

    def _unary(self) -> Condition:
        self._scan.skip_space()
        if self._scan.took("-"):
            if not self._scan.next or self._scan.next.isspace():
                raise self._scan.failed(f"{_A_CONDITION} right after `-`")
        elif not self._took_keyword("not"):
            return self._primary()
        return negated(self._deeper(self._unary))

    def _primary(self) -> Condition:
        begin = self._scan.at
        if self._scan.took("("):
            inner = self._deeper(self._either)
            if not self._scan.took(")"):
                raise self._scan.failed(f"`)` for the `(` of column {begin + 1}")
            return inner
        if self._scan.next in QUOTES and self._scan.next:
            return self._with_path(self._scan.quoted().text, begin)
        word = self._scan.word()
        if not word or word.lower() in KEYWORDS:
            raise self._scan.failed(f"{_A_CONDITION}; keywords and signs are searched for in quotes", begin)
        if self._scan.next == ":":
            return self._qualified(word, begin)
        return self._with_path(word, begin)

    def _with_path(self, text: str, begin: int) -> Condition:
        """What is said of a path, if this is one; else it is a text to search for."""
        after = self._scan.at
        self._scan.skip_space()
        sign = next((sign for sign in _SIGNS if self._scan.took(sign)), None)
        if sign is not None:
            return self._comparison(self._path(text, begin), sign)
        negative = self._took_keyword("not")
        if self._took_keyword("exists"):
            there = Exists(self._path(text, begin))
            return negated(self._deeper(lambda: there)) if negative else there
        self._scan.at = after
        if not text:
            raise self._scan.failed("a text to search for between the quotes", begin)
        return Words(text)

    def _comparison(self, path: str, sign: str) -> Condition:
        operator: Operator = "=" if sign == "==" else sign  # type: ignore[assignment]  # one of _SIGNS
        self._scan.skip_space()
        begin = self._scan.at
        word = self._value()
        if word == "":
            raise self._scan.failed(f"a value after `{sign}`", begin)
        if isinstance(word, str) and not word.strip(SIGN_CHARACTERS):
            raise FilterError(begin, f"a value after `{sign}`, in quotes when it is a sign", f"`{word[:40]}`")
        value: Value = literal_of(word) if isinstance(word, str) else Text(word.text)
        if operator in ("~", "!~"):
            value = Text(word if isinstance(word, str) else word.text)
            if not value.value:
                raise self._scan.failed(f"a text to look for after `{sign}`", begin)
        elif operator in ORDERINGS and isinstance(value, Flag | Null):
            raise self._scan.failed(f"a number, a time or a text after `{sign}`", begin)
        return Compare(path, operator, value)

    def _qualified(self, name: str, begin: int) -> Condition:
        make = _QUALIFIERS.get(name.lower())
        if make is None:
            expected = ", ".join(f"`{known}:`" for known in _QUALIFIERS)
            raise self._scan.failed(f"{expected}, a field with `=` or `~`, or quotes around a text with `:`", begin)
        self._scan.took(":")
        at = self._scan.at
        value = self._value()
        if not (value if isinstance(value, str) else value.text):
            raise self._scan.failed(f"{_MEANT[name.lower()]} right after `{name}:`", at)
        condition = make(value)
        if condition is None:
            raise self._scan.failed(f"{_MEANT[name.lower()]} right after `{name}:`", at)
        if isinstance(condition, Changed):
            self._path(condition.path, at)
        return condition

    def _value(self) -> str | Quoted:
        """A word, maybe empty, or a text in quotes."""
        quoted = self._scan.next and self._scan.next in QUOTES
        return self._scan.quoted() if quoted else self._scan.value_word()

    def _path(self, text: str, begin: int) -> str:
        if not text:
            raise self._scan.failed("the path of a field between the quotes", begin)
        if text.count(".") >= MOST_STEPS:
            raise FilterError(begin, f"a path of at most {MOST_STEPS} steps", f"{text.count('.') + 1}")
        return text

    def _deeper(self, rule: Callable[[], Condition]) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._scan.failed(f"at most {DEEPEST} levels of nesting")
        condition = rule()
        self._depth -= 1
        return condition

    def _peeked(self) -> str:
        """The next word in small letters, if it is a keyword; else empty. Nothing is read."""
        begin = self._scan.at
        word = self._scan.word().lower()
        self._scan.at = begin
        return word if word in KEYWORDS else ""

    def _took_keyword(self, keyword: str) -> bool:
        begin = self._scan.at
        self._scan.skip_space()
        if self._peeked() == keyword:
            self._scan.word()
            return True
        self._scan.at = begin
        return False


def _operation(value: str | Quoted) -> Condition | None:
    op = OPERATIONS.get((value if isinstance(value, str) else value.text).lower())
    return None if op is None else Operation(op)


def _cause(value: str | Quoted) -> Condition:
    if isinstance(value, Quoted):
        return Cause(value.text)
    if value.lower() == NO_CAUSE:
        return negated(Cause(None))
    return Cause(None if value == ANY_CAUSE else value)


def _text(value: str | Quoted) -> str:
    return value if isinstance(value, str) else value.text


_QUALIFIERS: Mapping[str, Callable[[str | Quoted], Condition | None]] = {
    "view": lambda value: View(_text(value)),
    "op": _operation,
    "key": lambda value: Key(_text(value)),
    "cause": _cause,
    "changed": lambda value: Changed(_text(value)),
}
_MEANT: Mapping[str, str] = {
    "view": "the name of a view",
    "op": "created, updated, deleted or read (c, u, d, r)",
    "key": "the key of a row",
    "cause": "the name of a lookup, * for any or none",
    "changed": "the path of a field",
}
